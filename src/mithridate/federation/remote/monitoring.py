"""What a participant's process tells of itself on this machine: /health, /status and /metrics, on loopback only."""

import json
import threading
import time
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily, Metric

from mithridate.errors import InputError
from mithridate.federation.remote.agent import Status

HOST = "127.0.0.1"
STALE_S = 900.0
"""A process that has been in trouble for so long no longer calls itself healthy."""
StartResponse = Callable[..., Any]


class Told:
    """What a process tells; the numbers come from the running objects at each question.

    Args:
        name: the participant's.
        role: the participant's.
        status: its agent's.
        more: further numbers by name, each with what it means.
        sites: the sites that are connected, by name; None of whoever has none.
    """

    def __init__(
        self,
        name: str,
        role: str,
        status: Status,
        more: Callable[[], dict[str, tuple[str, float]]] = dict,
        sites: Callable[[], list[str]] | None = None,
    ) -> None:
        self._name = name
        self._role = role
        self._status = status
        self._more = more
        self._sites = sites
        self._started = time.time()
        self._well = time.time()

    def document(self) -> dict[str, object]:
        """The status as one JSON object."""
        status = self._status
        return {
            "name": self._name,
            "role": self._role,
            "doing": status.doing,
            "since": round(status.since),
            "round": status.round,
            "attempt": status.attempt,
            "phase": status.phase,
            "problem": status.problem,
            "started": round(self._started),
            **({} if self._sites is None else {"sites": self._sites()}),
            **{name: number for name, (_, number) in self._more().items()},
        }

    def healthy(self) -> bool:
        """False once something has been wrong for a quarter of an hour."""
        if not self._status.problem:
            self._well = time.time()
        return time.time() - self._well < STALE_S

    def collect(self) -> Iterable[Metric]:
        """The numbers for Prometheus."""
        status = self._status
        numbers = {
            "round": ("Round that the ledger is in", float(status.round)),
            "attempt": ("Attempt of that round", float(status.attempt)),
            "failures_total": ("Things that went wrong since the start", float(status.failures)),
            "doing_since_seconds": ("When the process began what it does now", status.since),
            "healthy": ("1 unless something has been wrong for long", float(self.healthy())),
            **self._more(),
        }
        for name, (meaning, number) in numbers.items():
            metric = GaugeMetricFamily(f"mithridate_{name}", meaning, labels=("participant", "role"))
            metric.add_metric((self._name, self._role), number)
            yield metric


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Every scrape would be a line in the log."""


class Monitor:
    """The HTTP server.

    Args:
        told: what it tells.
        port: 0 takes a free one.

    Raises:
        InputError: the port is taken.
    """

    def __init__(self, told: Told, port: int) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(told)
        self._told = told
        self._metrics = make_wsgi_app(registry)
        try:
            self._server = make_server(HOST, port, self._answer, server_class=_Server, handler_class=_Quiet)
        except OSError as error:
            raise InputError(f"port {port} for monitoring is taken ({error.strerror}): choose another one") from error
        threading.Thread(target=self._server.serve_forever, name="monitor", daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stops it."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            told: Iterable[bytes] = self._metrics(environ, start_response)
            return told
        if path == "/status":
            return _json(start_response, "200 OK", self._told.document())
        if path == "/health":
            healthy = self._told.healthy()
            return _json(start_response, "200 OK" if healthy else "503 Service Unavailable", {"healthy": healthy})
        return _json(start_response, "404 Not Found", {"error": "there are /health, /status and /metrics"})


def _json(start_response: StartResponse, code: str, document: object) -> Iterable[bytes]:
    body = json.dumps(document).encode()
    start_response(code, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
