"""Signing up and in, and uploading pictures: where things go wrong that security and support want to know of."""

import secrets

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy import select

from wxiai_otel import record_login_failure, record_upload_failure, record_user_registration

from .database import FIRST_CREDITS, CreditEntry, User
from .users import CurrentUser

MAX_UPLOAD_BYTES = 100_000

router = APIRouter(tags=["accounts"])


class SignIn(BaseModel):
    """Who signs in."""

    name: str
    password: str


@router.post("/auth/login")
async def login(who: SignIn, request: Request) -> dict[str, str]:
    """Give the user's token."""
    async with request.app.state.database.async_sessions() as session:
        user = await session.scalar(select(User).where(User.name == who.name))
    if user is None or not secrets.compare_digest(user.password.encode(), who.password.encode()):
        record_login_failure("password" if user else "unknown_user", account=who.name)
        raise HTTPException(401, "name or password is wrong")
    return {"token": user.token}


@router.post("/auth/register", status_code=201)
async def register(who: SignIn, request: Request) -> dict[str, str]:
    """Make a new user, with some credits to begin with."""
    token = secrets.token_urlsafe(16)
    async with request.app.state.database.async_sessions.begin() as session:
        user = User(name=who.name, password=who.password, token=token, role="pending")
        session.add(user)
        await session.flush()
        session.add(CreditEntry(user_id=user.id, amount=FIRST_CREDITS, reason="welcome"))
    record_user_registration()
    return {"token": token}


@router.put("/files/{name}", status_code=204)
async def upload(name: str, _user: CurrentUser, request: Request) -> None:
    """Keep a picture to draw from; a large one is refused."""
    if len(await request.body()) > MAX_UPLOAD_BYTES:
        record_upload_failure("too_large")
        raise HTTPException(413, f"{name} is larger than {MAX_UPLOAD_BYTES} bytes")
