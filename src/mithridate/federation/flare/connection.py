"""Requests over FLARE's auxiliary channel between the parents of its processes, with no job in between.

A site's request is one auxiliary message, its answer the reply. Both are opaque bytes to the engine, and the words of
the protocol that they carry are signed: the engine's own idea of who a peer is, is not relied on.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import Shareable, make_reply

from mithridate.federation.remote.wire import Unreachable

LOG = logging.getLogger(__name__)
TOPIC = "mithridate"
_BODY = "body"


class SiteConnection:
    """See `site_desk.Transport`: a site's way to the coordinator.

    Args:
        timeout: seconds to wait for the engine to start, and for each answer.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._engine: Future[Any] = Future()
        self._left = False

    def attach(self, engine: Any) -> None:
        """Gives it the engine, once that runs."""
        if not self._engine.done():
            self._engine.set_result(engine)

    def ask(self, request: bytes) -> bytes:
        """See `Transport.ask`."""
        try:
            engine = self._engine.result(self._timeout)
        except FutureTimeout:
            raise Unreachable(f"the engine has not started within {self._timeout:g} s") from None
        message = Shareable()
        message[_BODY] = request
        with engine.new_context() as context:
            reply = engine.send_aux_request(TOPIC, message, self._timeout, context, optional=True)
        return _body(reply, self._timeout)

    def leave(self) -> bool:
        """Ends the engine, as soon as it runs; returns at once, with whether it runs already."""
        if not self._left:
            self._left = True
            self._engine.add_done_callback(lambda engine: _in_thread(engine.result().shutdown))
        return self._engine.done()


class ServerConnection:
    """The coordinator's side: hands each request's bytes to `answer` and its result back.

    Args:
        answer: never raises.
    """

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._engine: Future[Any] = Future()
        self._left = False

    def attach(self, engine: Any) -> None:
        """Registers with the engine, once that runs."""
        if not self._engine.done():
            engine.register_aux_message_handler(TOPIC, self.handle)
            self._engine.set_result(engine)

    def handle(self, topic: str, request: Shareable, fl_ctx: object) -> Shareable:
        """Answers one message of the engine's; anything but bytes is answered by the engine's own refusal."""
        body = request.get(_BODY)
        if type(body) is not bytes:
            LOG.warning("a message without a body was dropped")
            return make_reply(ReturnCode.BAD_REQUEST_DATA)
        reply = make_reply(ReturnCode.OK)
        reply[_BODY] = self._answer(body)
        return reply

    def sites(self) -> list[str]:
        """The sites that are registered with the engine now, by name."""
        if not self._engine.done():
            return []
        return sorted(client.name for client in self._engine.result().get_clients())

    def leave(self) -> bool:
        """Ends the engine, as soon as it runs; returns at once, with whether it runs already."""
        if not self._left:
            self._left = True
            self._engine.add_done_callback(lambda engine: _in_thread(engine.result().shutdown_server))
        return self._engine.done()


def _in_thread(end: Callable[[], object]) -> None:
    threading.Thread(target=end, name="leave", daemon=True).start()


def _body(reply: object, timeout: float) -> bytes:
    if not isinstance(reply, Shareable):
        raise Unreachable("the coordinator is not connected")
    code = reply.get_return_code()
    if code == ReturnCode.TIMEOUT:
        raise Unreachable(f"the coordinator did not answer within {timeout:g} s")
    if code != ReturnCode.OK:
        raise Unreachable(f"the coordinator cannot be reached: {code}")
    body = reply.get(_BODY)
    if type(body) is not bytes:
        raise Unreachable("the coordinator's engine answered without a body")
    return body
