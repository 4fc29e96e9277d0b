"""A participant that is done, or told to stop, before its engine runs still ends."""

import threading

from mithridate.federation.flare.connection import ServerConnection, SiteConnection


class Engine:
    """As much of FLARE's engines as a connection ends."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.times = 0

    def shutdown(self) -> None:
        self.times += 1
        self.ended.set()

    shutdown_server = shutdown

    def register_aux_message_handler(self, topic: str, handler: object) -> None:
        """Takes it."""


def test_a_site_that_leaves_before_its_engine_runs_leaves_once_it_does() -> None:
    engine, connection = Engine(), SiteConnection(1.0)
    assert not connection.leave()
    assert not engine.ended.is_set()
    connection.attach(engine)
    assert engine.ended.wait(5)


def test_a_coordinator_that_leaves_before_its_engine_runs_leaves_once_it_does() -> None:
    engine, connection = Engine(), ServerConnection(lambda data: data)
    connection.leave()
    connection.attach(engine)
    assert engine.ended.wait(5)


def test_one_that_leaves_while_its_engine_runs_leaves_at_once() -> None:
    engine, connection = Engine(), SiteConnection(1.0)
    connection.attach(engine)
    assert not engine.ended.is_set()
    assert connection.leave()
    assert connection.leave()
    assert engine.ended.wait(5)
    assert engine.times == 1
