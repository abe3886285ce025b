"""An address that stays while the program behind it moves, or is slow to answer."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Relay:
    """Hands connections on to a port.

    Parameters:
        target: The port.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        # Seconds that each answer waits.
        self.delay = 0.0
        self.port = 0

    async def serve(self, ended: asyncio.Event, began: threading.Event) -> None:
        async with await asyncio.start_server(self._connected, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            began.set()
            await ended.wait()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            both = [
                asyncio.ensure_future(self._hand_on(reader, back, slow=False)),
                asyncio.ensure_future(self._hand_on(there, writer, slow=True)),
            ]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for one in both:
                one.cancel()
            back.close()
        writer.close()

    async def _hand_on(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, slow: bool) -> None:
        with suppress(OSError):
            while data := await source.read(2**16):
                if slow:
                    await asyncio.sleep(self.delay)
                to.write(data)
                await to.drain()


@contextmanager
def relay(target: int) -> Iterator[Relay]:
    made, began = Relay(target), threading.Event()
    loop, ended = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(made.serve(ended, began),))
    thread.start()
    began.wait(10)
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
