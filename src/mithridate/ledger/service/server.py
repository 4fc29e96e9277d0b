"""The service itself: HTTP on loopback, until it is told to end (SIGTERM, SIGINT)."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from mithridate.errors import LedgerError
from mithridate.ledger.service.methods import Methods
from mithridate.ledger.service.parameters import MAX_TRANSACTION_BYTES
from mithridate.ledger.service.protocol import respond
from mithridate.ledger.service.worker import Worker

LOOPBACK = "127.0.0.1"
HOSTS = frozenset((LOOPBACK, "localhost"))
MAX_REQUEST_BYTES = 3 * MAX_TRANSACTION_BYTES
"""A signed transaction in hexadecimal, and as much again for what is around it."""
BODY_S = 10.0
"""Within which a request must have arrived."""
ENDING_S = 5.0
"""For requests that are being answered when the service is told to end."""
SWITCH_S = 0.0005
"""How long the chain's thread may keep the interpreter while a request waits: ten times less than by default."""


def serve(folder: Path, port: int, started: Callable[[str], None], host: str = LOOPBACK) -> None:
    """Serves the ledger in a folder until SIGTERM or SIGINT.

    Whoever reaches the port may write: nothing but the contracts' own rules decides. So only this machine's processes
    reach it, and no web page does, for a browser names the page's host and cannot send JSON elsewhere unasked.

    Args:
        folder: made if missing.
        port: 0 takes a free one.
        started: called with the URL once it answers.
        host: address to listen at; another than loopback's lets whoever reaches it write.

    Raises:
        JournalAltered: the folder's journal is not as it was written.
        LedgerError: another process serves the folder, it cannot be written, or the port is taken.
    """
    sys.setswitchinterval(SWITCH_S)
    asyncio.run(_serve(folder, port, started, host))


async def _serve(folder: Path, port: int, started: Callable[[str], None], host: str) -> None:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    worker = Worker(folder)
    runner = web.AppRunner(application(Methods(worker), host), access_log=None, shutdown_timeout=ENDING_S)
    try:
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            text = f"port {port} of {host} cannot be listened on ({error.strerror}): choose another one"
            raise LedgerError(text) from error
        started(f"http://{host}:{runner.addresses[0][1]}")
        await ended.wait()
    finally:
        await runner.cleanup()
        await worker.close()


def application(methods: Methods, host: str = LOOPBACK) -> web.Application:
    """The HTTP side: one path, which takes JSON-RPC requests by POST, addressed to `host` or to loopback."""

    async def handle(request: web.Request) -> web.Response:
        if request.url.host not in HOSTS | {host}:
            raise web.HTTPForbidden(text=f"this service answers to {' and '.join(sorted(HOSTS | {host}))} only")
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="send application/json")
        try:
            async with asyncio.timeout(BODY_S):
                body = await request.read()
        except TimeoutError as error:
            raise web.HTTPRequestTimeout from error
        return web.Response(body=await respond(methods, body), content_type="application/json")

    made = web.Application(client_max_size=MAX_REQUEST_BYTES)
    made.router.add_post("/", handle)
    return made
