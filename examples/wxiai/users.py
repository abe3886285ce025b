"""Who asks: a dependency finds the user by the bearer token and leaves it on the request, where telemetry reads it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from sqlalchemy import select

from .database import User

CACHE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The user of a request."""

    id: int
    role: str


async def current_user(request: Request) -> SignedIn:
    """The user whose token the request carries, from the cache, else from the database."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise HTTPException(401, "sign in first", {"www-authenticate": "Bearer"})
    cache, database = request.app.state.cache, request.app.state.database
    user = _from_cache(await cache.hgetall(f"user:{token}"))
    if user is None:
        async with database.async_sessions() as session:
            found = await session.scalar(select(User).where(User.token == token))
        if found is None:
            raise HTTPException(401, "unknown token", {"www-authenticate": "Bearer"})
        user = SignedIn(found.id, found.role)
        async with cache.pipeline() as pipeline:
            pipeline.hset(f"user:{token}", mapping={"id": user.id, "role": user.role})
            pipeline.expire(f"user:{token}", CACHE_SECONDS)
            await pipeline.execute()
    request.state.user = user
    return user


def admin(user: Annotated[SignedIn, Depends(current_user)]) -> SignedIn:
    """The user, who must be an admin."""
    if user.role != "admin":
        raise HTTPException(403, "for admins only")
    return user


CurrentUser = Annotated[SignedIn, Depends(current_user)]
Admin = Annotated[SignedIn, Depends(admin)]


def _from_cache(fields: dict[str, str]) -> SignedIn | None:
    return SignedIn(int(fields["id"]), fields["role"]) if fields else None
