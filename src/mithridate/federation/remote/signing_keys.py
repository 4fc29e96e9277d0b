"""Under which keys the coordinator believes requests: those in force on the ledger, which validators go by, too.

A hospital or validator whose process tells the ledger of a new key is believed under that one, and no longer under the
one before, without a word to the coordinator's administrator.
"""

import logging
import threading
import time
from collections.abc import Iterator, Mapping

from mithridate.crypto.keys import PublicKey, public_from_bytes
from mithridate.errors import LedgerError, ProtocolError, SignatureInvalid
from mithridate.federation.remote.agent import OVER
from mithridate.ledger.interface import Membership, Rounds
from mithridate.ledger.interface import Role as LedgerRole
from mithridate.provisioning.roster import Roster

LOG = logging.getLogger(__name__)
FRESH_S = 2.0
"""So old may be what is known of the ledger: a participant takes longer from its registration to its first request."""


class SigningKeys(Mapping[str, PublicKey]):
    """Participant's name to its signing key, for several threads; of whoever has none on the ledger, the roster's.

    Args:
        roster: all participants.
        ledger: for reading.

    Raises:
        LedgerError: the ledger cannot be read at the start; later on, what was read last stays in force.
    """

    def __init__(self, roster: Roster, ledger: Membership) -> None:
        self._roster = {member.participant.name: member.signing_key for member in roster.members}
        self._names = {member.keys.account.lower(): member.participant.name for member in roster.members}
        self._ledger = ledger
        self._reading = threading.Lock()
        self._registered = self._read()
        self._read_at = time.monotonic()

    def __getitem__(self, name: str) -> PublicKey:
        """The key; raises SignatureInvalid where what the ledger holds is none."""
        enrolled = self._roster[name]
        self._refresh()
        registered = self._registered.get(name)
        if registered is None:
            return enrolled
        try:
            return public_from_bytes(registered)
        except ProtocolError as error:
            raise SignatureInvalid(f"the signing key of {name} on the ledger is no key: {error}") from error

    def __contains__(self, name: object) -> bool:
        return name in self._roster

    def __iter__(self) -> Iterator[str]:
        return iter(self._roster)

    def __len__(self) -> int:
        return len(self._roster)

    def _refresh(self) -> None:
        # Whoever comes while another reads goes by what is known.
        if time.monotonic() - self._read_at < FRESH_S or not self._reading.acquire(blocking=False):
            return
        try:
            self._registered = self._read()
        except LedgerError as error:
            LOG.warning("signing keys read before stay in force: %s", error)
        finally:
            self._read_at = time.monotonic()
            self._reading.release()

    def _read(self) -> dict[str, bytes]:
        members = [
            member for role in (LedgerRole.HOSPITAL, LedgerRole.VALIDATOR) for member in self._ledger.members(role)
        ]
        return {
            self._names[member.address.lower()]: member.signing_key
            for member in members
            if member.signing_key and member.address.lower() in self._names
        }


def await_answer(ledger: Rounds, account: str, poll: float) -> None:
    """Returns once no attempt under way holds a message of a hospital: under another key it would not verify.

    Args:
        ledger: for reading.
        account: the hospital's address.
        poll: seconds between two looks.
    """
    own = next((record.index for record in ledger.hospitals() if record.address.lower() == account.lower()), None)
    told = False
    while (state := ledger.latest()) is not None and state.phase not in OVER and own in state.submissions:
        if not told:
            LOG.info("the new signing key waits for the end of round %d attempt %d", state.round, state.attempt)
            told = True
        time.sleep(poll)
