"""Who takes part in a study: hospitals admitted until it begins, and the validators that its terms name."""

from mithridate.ledger.interface import MAX_HOSPITALS, Role
from mithridate.ledger.rulebook.base import EMPTY, Caller, require
from mithridate.ledger.rulebook.consortium import NAME as CONSORTIUM
from mithridate.ledger.rulebook.consortium import Consortium
from mithridate.ledger.rulebook.models import Models
from mithridate.ledger.rulebook.terms import Terms, require_possible

MAX_RECORDS = 2**40
PAGE = 64
WORD = 256


class Roster:
    """The part of the study's contract that is settled when the first round opens.

    Args:
        terms: what the study fixes.
        consortium: knows who acts in which role.
        models: start with the study.
    """

    def __init__(self, terms: Terms, consortium: Consortium, models: Models) -> None:
        require_possible(terms)
        self._terms, self.coordinator = terms, terms.coordinator
        self._consortium, self._models = consortium, models
        self._begun = False
        self._reference = EMPTY
        self._roster: dict[str, int] = {}
        self._suspended: set[int] = set()

    def admit(self, caller: Caller, account: str, records: int) -> None:
        """By decision: a hospital joins the study."""
        require(caller.sender == CONSORTIUM, "only by decision")
        require(not self._begun, "roster is frozen")
        require(account not in self._roster, "already enrolled")
        require(self._consortium.is_active(account, Role.HOSPITAL), "not an active member")
        require(bool(self._consortium.current_keys(account)[0]), "signing key missing")
        require(0 < records <= MAX_RECORDS, "bad record count")
        require(len(self._roster) < MAX_HOSPITALS, "roster is full")
        self._roster[account] = records

    def begin(self, caller: Caller, initial_model: bytes, reference: bytes) -> None:
        """By decision: the roster is frozen."""
        require(caller.sender == CONSORTIUM, "only by decision")
        require(not self._begun, "already begun")
        require(EMPTY not in (initial_model, reference), "empty hash")
        require(len(self._roster) >= self._terms.quorum, "fewer hospitals than quorum")
        keys = [self._consortium.current_keys(account)[1] for account in self._terms.pool]
        require(all(keys), "validator key missing")
        self._begun, self._reference = True, reference
        self._models.start(initial_model)

    def pool_rank(self, account: str) -> int:
        """A validator's place in the study plus one, 0 for anyone else."""
        return self._terms.pool.index(account) + 1 if account in self._terms.pool else 0

    def pool_size(self) -> int:
        """How many validators the study has."""
        return len(self._terms.pool)

    def pool(self, rank: int) -> str:
        """The validator of a place."""
        return self._terms.pool[rank]

    def grace(self) -> int:
        """Seconds after a deadline when one party alone may void an attempt."""
        return self._terms.grace

    def begun(self) -> bool:
        """Whether the roster is frozen."""
        return self._begun

    def configuration(self) -> bytes:
        """Hash of the study's configuration."""
        return self._terms.configuration

    def study_id(self) -> bytes:
        """What tells this study from every other."""
        return self._terms.study_id

    def reference(self) -> bytes:
        """Salted hash of the reference set, zeros before the study begins."""
        return self._reference

    def hospital_count(self) -> int:
        """How many hospitals were admitted."""
        return len(self._roster)

    def hospital_page(self, start: int) -> list[tuple[str, bytes, int]]:
        """Account, signing key and records of hospitals from a place on."""
        page = list(self._roster.items())[start : start + PAGE]
        return [(account, self._consortium.current_keys(account)[0], records) for account, records in page]

    def validators(self) -> list[tuple[str, bytes]]:
        """Account and envelope key of each validator."""
        return [(account, self._consortium.current_keys(account)[1]) for account in self._terms.pool]

    def suspended_word(self, word: int) -> int:
        """One bit a hospital from 256 * word on that may not submit."""
        places = list(enumerate(self._roster))[WORD * word : WORD * (word + 1)]
        out = [i for i, each in places if i in self._suspended or not self._consortium.is_active(each, Role.HOSPITAL)]
        return sum(1 << index - WORD * word for index in out)
