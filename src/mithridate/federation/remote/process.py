"""Runs a participant: its agent in a thread, the engine in the main thread, until the study ends or it is stopped."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from mithridate.errors import MithridateError
from mithridate.federation.flare.connection import ServerConnection, SiteConnection
from mithridate.federation.flare.hook import attach_on_start
from mithridate.federation.remote import participant
from mithridate.federation.remote.agent import Agent
from mithridate.federation.remote.coordinator_agent import CoordinatorAgent
from mithridate.federation.remote.monitoring import Monitor, Told
from mithridate.federation.remote.participant import Standing
from mithridate.provisioning.consortium import Role
from mithridate.provisioning.engine_logs import begin_log
from mithridate.provisioning.engine_process import run_engine
from mithridate.provisioning.expiry import expiry_of
from mithridate.provisioning.keys import ParticipantKeys
from mithridate.provisioning.opened_kit import Kit

LOG = logging.getLogger(__name__)
_SITES = {
    Role.HOSPITAL: participant.hospital,
    Role.VALIDATOR: participant.validator,
    Role.CURATOR: participant.curator,
}


def run_participant(kit: Kit, keys: ParticipantKeys, *, stay: bool = False) -> int:
    """Runs a participant of a study; from the main thread only.

    Args:
        kit: opened.
        keys: its own.
        stay: go on after the study's last round, for whoever wants to look, until stopped.

    Returns:
        0 after a study that came to its end or a stop that was asked for; 1 if the study or this process gave up.

    Raises:
        MithridateError: it cannot begin: its kit, records, policy, ports or ledger are not as they should be.
    """
    begin_log(kit.folder)
    for warning in expiry_of(kit).warnings(datetime.now(UTC)):
        LOG.warning(warning)
    standing = participant.stand(kit, keys)
    role = kit.member.participant.role
    numbers: Callable[[], dict[str, tuple[str, float]]]
    if role is Role.COORDINATOR:
        agent, desk, server = participant.coordinator(standing)
        connection: SiteConnection | ServerConnection = server

        def numbers() -> dict[str, tuple[str, float]]:
            counted = {
                f"requests_{topic.replace('-', '_')}": (f"Requests: {topic}", float(n))
                for topic, n in dict(desk.requests).items()
            }
            return {"sites_connected": ("Sites connected now", float(len(server.sites()))), **counted}

    else:
        site = SiteConnection(kit.settings.pace.timeout)
        agent = _SITES[role](standing, site)
        connection, numbers = site, dict
    return _run(standing, keys, agent, connection, numbers, stay)


def _run(
    standing: Standing,
    keys: ParticipantKeys,
    agent: Agent,
    connection: SiteConnection | ServerConnection,
    numbers: Callable[[], dict[str, tuple[str, float]]],
    stay: bool,
) -> int:
    person = standing.kit.member.participant
    sites = connection.sites if isinstance(connection, ServerConnection) else None
    told = Told(person.name, person.role.value, agent.status, lambda: {**numbers(), **_ends(standing.kit)}, sites)
    port = standing.kit.settings.monitoring.port
    monitor = Monitor(told, port) if port else None
    failed: list[MithridateError] = []

    def follow() -> None:
        try:
            agent.run()
        except MithridateError as error:
            LOG.exception("%s stops", person.name)
            failed.append(error)
        except Exception:
            LOG.exception("%s stops for an error that should not be", person.name)
            failed.append(MithridateError("an error that should not be; the log says where"))
        if (not stay or failed) and not connection.leave():
            # Without a connection the engine would go on dialling a coordinator that may be gone for good.
            os.kill(os.getpid(), signal.SIGTERM)

    def stop() -> int | None:
        agent.stop()
        return None if connection.leave() else int(bool(failed))

    attach_on_start(connection)
    threading.Thread(target=follow, name=person.name, daemon=True).start()
    try:
        status = run_engine(standing.kit, keys.tls, stop=stop)
    finally:
        agent.stop()
        if monitor is not None:
            monitor.close()
    gave_up = isinstance(agent, CoordinatorAgent) and agent.gave_up
    return 1 if failed or gave_up else status


def _ends(kit: Kit) -> dict[str, tuple[str, float]]:
    expiry = expiry_of(kit)
    return {
        "certificate_expires_seconds": ("When the certificate ends", expiry.certificate.timestamp()),
        "revocations_expire_seconds": ("When the list of revoked certificates ends", expiry.revocations.timestamp()),
    }
