"""All parts of the rulebook together, and a `Ledger` over them that needs no chain."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from mithridate.ledger.accounts import Account
from mithridate.ledger.client import ContractLedger
from mithridate.ledger.deployment import StudyTerms
from mithridate.ledger.interface import Role
from mithridate.ledger.rulebook.access import Access
from mithridate.ledger.rulebook.base import Caller
from mithridate.ledger.rulebook.committees import Committees
from mithridate.ledger.rulebook.consortium import NAME as CONSORTIUM
from mithridate.ledger.rulebook.consortium import Consortium, Decision
from mithridate.ledger.rulebook.models import Models
from mithridate.ledger.rulebook.notices import Notices
from mithridate.ledger.rulebook.reputation import Reputation
from mithridate.ledger.rulebook.study import Study
from mithridate.ledger.rulebook.terms import Terms

PARTS = ("Consortium", "Models", "Reputation", "Committees", "Access", "Notices", "Study")


class Rulebook:
    """The state of one study under the rules.

    Args:
        administrator: who deploys; it enrols coordinator and validators by its vote.
        terms: what the study fixes.
        study_id: 32 bytes that tell this study from every other.
        time: when it is deployed.
        decided: False leaves the first decisions out: they are among the changes that follow.

    Raises:
        RuleViolation: a rule refuses these terms.
    """

    def __init__(
        self, administrator: str, terms: StudyTerms, study_id: bytes, time: int, *, decided: bool = True
    ) -> None:
        administrators = [administrator, *terms.administrators]
        consortium = Consortium(administrators, terms.threshold, terms.ballot, self._execute, PARTS)
        models = Models(consortium, terms.requires_certificate)
        reputation, committees = Reputation(), Committees(consortium)
        study = Study(_terms(terms, study_id), consortium, models, reputation, committees)
        models.study = committees.study = study
        parts = (consortium, models, reputation, committees, Access(consortium), Notices(consortium, study), study)
        self._parts: dict[str, Any] = dict(zip(PARTS, parts, strict=True))
        self._height = 0
        self._lock = threading.RLock()
        enrolled = [(address, Role.VALIDATOR) for address in terms.validators]
        decisions: list[Decision] = [(CONSORTIUM, "add_study", ("Study",))]
        decisions += [
            (CONSORTIUM, "enrol", (address, int(role), b"", b""))
            for address, role in [(terms.coordinator, Role.COORDINATOR), *enrolled]
        ]
        for decision in decisions if decided else ():
            consortium.decide(Caller(administrator, time), *decision)

    @property
    def height(self) -> int:
        """How many changes were made since the study was deployed."""
        return self._height

    def read(self, name: str, function: str, *arguments: object) -> Any:
        """What a part tells; raises RuleViolation where the rules refuse."""
        with self._lock:
            return getattr(self._parts[name], function)(*arguments)

    def change(self, caller: Caller, name: str, function: str, *arguments: object) -> None:
        """Changes the state, or raises RuleViolation and changes nothing."""
        with self._lock:
            getattr(self._parts[name], function)(caller, *arguments)
            self._height += 1

    def _execute(self, time: int, decision: Decision) -> None:
        target, function, arguments = decision
        getattr(self._parts[target], function)(Caller(CONSORTIUM, time), *arguments)


class RulebookLedger(ContractLedger):
    """One party's view of a rulebook; see `Ledger`.

    Args:
        book: the state.
        account: whose name this view writes in.
        clock: the ledger's date, in seconds.
    """

    def __init__(self, book: Rulebook, account: Account, clock: Callable[[], int]) -> None:
        self._book, self._account, self._clock = book, account, clock

    def now(self) -> int:
        """See `Ledger.now`."""
        return self._clock()

    def unconfirmed(self) -> AbstractContextManager[None]:
        """See `Ledger.unconfirmed`."""
        return nullcontext()

    def height(self) -> int:
        """See `Ledger.height`."""
        return self._book.height

    def _read(self, name: str, function: str, *arguments: object) -> Any:
        return self._book.read(name, function, *arguments)

    def _write(self, name: str, function: str, *arguments: object) -> None:
        self._book.change(Caller(self.address, self._clock()), name, function, *arguments)

    def _decide(self, name: str, function: str, *arguments: object) -> None:
        self._write(CONSORTIUM, "decide", name, function, arguments)


def _terms(terms: StudyTerms, study_id: bytes) -> Terms:
    return Terms(
        study_id=study_id,
        configuration=terms.configuration,
        coordinator=terms.coordinator,
        pool=tuple(terms.validators),
        quorum=terms.quorum,
        min_accepted=terms.min_accepted,
        grace=terms.grace,
        rotation=terms.rotation,
    )
