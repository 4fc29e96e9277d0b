"""How a participant is doing: what its process says on this machine, and where the ledger stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import urllib3
from pydantic_core import from_json

from mithridate.errors import MithridateError
from mithridate.ledger.interface import AttemptState
from mithridate.operation.site import ANSWER_S, Site
from mithridate.provisioning.consortium import Role
from mithridate.provisioning.engine import CLIENTS
from mithridate.provisioning.expiry import Expiry, expiry_of

MAX_BYTES = 1 << 20
HOST = "127.0.0.1"


@dataclass(frozen=True)
class LedgerView:
    """Where the study stands on the ledger.

    Args:
        begun: whether it has begun.
        rounds: of the study.
        hospitals: on its roster.
        state: of the last attempt, None before the first round.
        opened: when that attempt was opened, in seconds since 1970; 0 before the first.
        complaints: how many were made in the whole study.
    """

    begun: bool
    rounds: int
    hospitals: int
    state: AttemptState | None
    opened: int
    complaints: int


@dataclass(frozen=True)
class Overview:
    """A participant's state.

    Args:
        name: the participant's.
        role: the participant's.
        running: whether its process runs on this machine.
        process: what it says at /status; None if it says nothing, and `note` why.
        note: empty, or why `process` is None.
        expected: the sites that a coordinator expects, by name; nobody at another participant.
        ledger: where the study stands; None if that cannot be told, and `ledger_note` why.
        ledger_note: empty, or why `ledger` is None.
        expiry: when its certificate and its list of revoked ones end.
        warnings: which of them ends soon, and how to mend it.
    """

    name: str
    role: str
    running: bool
    process: Mapping[str, Any] | None
    note: str
    expected: Sequence[str]
    ledger: LedgerView | None
    ledger_note: str
    expiry: Expiry
    warnings: Sequence[str]

    @property
    def well(self) -> bool:
        """Whether it runs, and neither it nor the ledger is in trouble."""
        return self.running and not (self.process or {}).get("problem") and self.ledger is not None


def overview(site: Site) -> Overview:
    """Asks the process and the ledger; works whether they are up or not.

    Raises:
        EnrolmentError, CertificateRefused: the kit cannot be used.
    """
    person, running = site.participant, site.running
    process, note = _ask(site)
    if process is None and not running:
        note = "it does not run on this machine"
    sites = site.kit.roster.of(*CLIENTS) if person.role is Role.COORDINATOR else ()
    expected = [member.participant.name for member in sites]
    try:
        ledger, ledger_note = _ledger(site), ""
    except MithridateError as error:
        ledger, ledger_note = None, str(error)
    expiry = expiry_of(site.kit)
    warnings = expiry.warnings(site.now())
    return Overview(
        person.name, person.role.value, running, process, note, expected, ledger, ledger_note, expiry, warnings
    )


def _ask(site: Site) -> tuple[Mapping[str, Any] | None, str]:
    port = site.kit.settings.monitoring.port
    if not port:
        return None, "it runs, but tells nothing: set `port` in [monitoring] of local/participant.toml"
    try:
        document = from_json(_answer(f"http://{HOST}:{port}/status"))
    except (urllib3.exceptions.HTTPError, OSError):
        return None, f"it runs, but does not answer at {HOST}:{port} yet"
    except ValueError:
        document = None
    if not isinstance(document, dict) or document.get("name") != site.participant.name:
        return None, f"something else answers at {HOST}:{port}: choose another port"
    return document, ""


def _answer(url: str) -> bytes:
    timeout = urllib3.Timeout(connect=ANSWER_S, read=ANSWER_S)
    with urllib3.PoolManager(retries=False, timeout=timeout) as pool:
        answer = pool.request("GET", url, redirect=False, preload_content=False)
        try:
            return answer.read(MAX_BYTES)
        finally:
            answer.close()


def _ledger(site: Site) -> LedgerView:
    study, ledger = site.study, site.ledger
    begun = ledger.begun()
    state = ledger.latest() if begun else None
    opened = state.deadline - study.runtime.deadline_seconds if state else 0
    complaints = ledger.complaint_count() if begun else 0
    return LedgerView(begun, study.training.rounds, study.hospitals.count, state, opened, complaints)
