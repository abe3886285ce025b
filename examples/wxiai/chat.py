"""Chat: answers streamed as server-sent events, and a WebSocket for presence."""

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from .users import CurrentUser

WORDS = "a picture of a mountain in the evening light with a river and two small boats on it".split()

router = APIRouter(tags=["chat"])


class Question(BaseModel):
    """What the user says."""

    text: str = Field(min_length=1, max_length=4000)
    words: int = Field(12, ge=1, le=len(WORDS))


@router.post("/chat")
async def answer(question: Question, user: CurrentUser, request: Request) -> StreamingResponse:
    """Answer word by word."""
    await request.app.state.cache.incr(f"chats:{user.id}")
    return StreamingResponse(_words(question.words), media_type="text/event-stream")


async def _words(count: int) -> AsyncIterator[str]:
    await asyncio.sleep(0.05)
    for word in WORDS[:count]:
        yield f"data: {json.dumps({'word': word})}\n\n"
        await asyncio.sleep(0.02)
    yield "data: [DONE]\n\n"


@router.websocket("/ws")
async def presence(socket: WebSocket) -> None:
    """Echo what the client says until it leaves."""
    await socket.accept()
    try:
        while True:
            await socket.send_json({"heard": await socket.receive_text()})
    except WebSocketDisconnect:
        return
