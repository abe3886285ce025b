"""Credits: bought, spent and given back. This part of the platform is older than its async engine, and sync."""

import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from wxiai_otel import monitor_credits_operation, record_payment_failure

from .database import CreditEntry, User
from .users import Admin, CurrentUser

logger = logging.getLogger(__name__)
router = APIRouter(prefix="/credits", tags=["credits"])

# The share of payments that the channel declines.
DECLINED = 0.1


def _session(request: Request) -> Iterator[Session]:
    yield from request.app.state.database.session()


Sync = Annotated[Session, Depends(_session)]


class Purchase(BaseModel):
    """A top-up."""

    amount: int = Field(gt=0, le=10_000)
    channel: Literal["alipay", "wechat"] = "alipay"


@dataclass(frozen=True, slots=True)
class Balance:
    """What a user has left."""

    credit: int


class NotEnoughCreditsError(Exception):
    """The balance is smaller than the price."""


def balance_of(session: Session, user_id: int) -> int:
    """A user's balance."""
    total = select(func.coalesce(func.sum(CreditEntry.amount), 0)).where(CreditEntry.user_id == user_id)
    return session.scalar(total) or 0


@monitor_credits_operation("consume", service=lambda _session, _user_id, _amount, reason: reason)
def consume(session: Session, user_id: int, amount: int, reason: str) -> Balance:
    """Take credits and return the balance that is left.

    Raises:
        NotEnoughCreditsError: There are not enough.
    """
    # Two requests of one user must not both spend the last credits: an update locks, on every database.
    session.execute(update(User).where(User.id == user_id).values(role=User.role))
    balance = balance_of(session, user_id)
    if balance < amount:
        raise NotEnoughCreditsError(f"{amount} credits needed, {balance} left")
    session.add(CreditEntry(user_id=user_id, amount=-amount, reason=reason))
    return Balance(balance - amount)


@monitor_credits_operation("refund")
def refund(session: Session, user_id: int, amount: int, _service: str) -> None:
    """Give credits back."""
    _add(session, user_id, amount, "refund")


@monitor_credits_operation("purchase")
def credit(session: Session, user_id: int, amount: int) -> None:
    """Give credits that were paid for."""
    _add(session, user_id, amount, "purchase")


def _add(session: Session, user_id: int, amount: int, reason: str) -> None:
    session.add(CreditEntry(user_id=user_id, amount=amount, reason=reason))


@router.get("/balance")
def balance(user: CurrentUser, session: Sync) -> dict[str, int]:
    """What the user has left."""
    return {"balance": balance_of(session, user.id)}


@router.post("/purchase", status_code=201)
def purchase(bought: Purchase, user: CurrentUser, session: Sync) -> dict[str, int]:
    """Top up."""
    if random.random() < DECLINED:
        record_payment_failure(bought.channel, "declined")
        logger.warning("%s has declined to pay %s credits", bought.channel, bought.amount)
        raise HTTPException(402, f"{bought.channel} has declined the payment")
    credit(session, user.id, bought.amount)
    session.flush()
    return {"balance": balance_of(session, user.id)}


@router.get("/report")
def report(_user: Admin, session: Sync) -> list[dict[str, int | str]]:
    """Credits by reason, over all users."""
    total = func.sum(CreditEntry.amount)
    rows = session.execute(select(CreditEntry.reason, total).group_by(CreditEntry.reason).order_by(CreditEntry.reason))
    return [{"reason": reason, "credits": amount} for reason, amount in rows]


@router.post("/transfer")
def transfer(to: int, amount: Annotated[int, Field(gt=0)], user: CurrentUser, session: Sync) -> dict[str, int]:
    """Give credits to another user."""
    if session.get(User, to) is None:
        raise HTTPException(404, "there is no such user")
    logger.info("user %s gives %s credits to user %s", user.id, amount, to)
    left = consume(session, user.id, amount, "transfer")
    _add(session, to, amount, "transfer")
    logger.info("user %s has %s credits left", user.id, left.credit)
    return {"balance": left.credit}
