"""The curator's process: in each attempt it trains on the reference set and hands in what the validators test by."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from mithridate.crypto.keys import PrivateKey, PublicKey, public_from_bytes
from mithridate.data.dataset import Dataset
from mithridate.errors import EncodingError, MessageError
from mithridate.federation.curator import Curator
from mithridate.federation.material import Material
from mithridate.federation.reference import reference_hash, share_reference
from mithridate.federation.remote.agent import Agent, Opening, Pace, Step, opening
from mithridate.federation.remote.site_desk import CoordinatorDesk
from mithridate.federation.remote.wire import RelayRefused
from mithridate.federation.seats import possible_seats
from mithridate.federation.submission import parse
from mithridate.ledger.interface import AttemptState, Ledger, Phase
from mithridate.models.files import to_safetensors

LOG = logging.getLogger(__name__)


class CuratorAgent(Agent):
    """The curator.

    Args:
        curator: its role.
        ledger: the ledger, for reading.
        desk: the coordinator's.
        curated: whether the study has it send something in every round.
        rounds: of the study.
        pace: how it follows the ledger.
        reference: the reference set, to be handed in before the study begins; None if that was done otherwise.
    """

    def __init__(
        self,
        curator: Curator,
        ledger: Ledger,
        desk: CoordinatorDesk,
        curated: bool,
        rounds: int,
        pace: Pace,
        reference: "ReferenceHandIn | None" = None,
    ) -> None:
        super().__init__("curator", ledger, rounds, pace)
        self._curator = curator
        self._desk = desk
        self._curated = curated
        self._reference = reference
        self._curated_for: Opening | None = None
        self._message: bytes | None = None

    def look(self) -> Step:
        """See `Agent.look`; before the study begins, the reference set is handed in."""
        if self._reference is not None and not self._ledger.begun():
            return self._hand_in_reference(self._reference)
        return super().look()

    def _hand_in_reference(self, reference: "ReferenceHandIn") -> Step:
        validators = self._ledger.validators()
        if any(not validator.envelope_key for validator in validators):
            self.status.now("waiting for the validators' keys")
            return Step.IDLE
        keys = [public_from_bytes(validator.envelope_key) for validator in validators]
        if not reference.done:
            messages, digest = reference.messages(self._curator.reference, self._ledger.study_id(), keys)
            for number, message in enumerate(messages):
                self._desk.keep_reference(number, message)
            reference.done = True
            LOG.info("the reference set is handed in; the administrator begins the study with %s", digest.hex())
        self.status.now("waiting for the administrator to begin the study")
        return Step.IDLE

    def step(self, state: AttemptState, *, settled: bool) -> Step:
        """See `Agent.step`."""
        if self._curated and state.phase is Phase.SUBMITTING and self._curated_for != opening(state):
            return self._curate(state)
        if self._message is None or state.phase is not Phase.SUBMITTING:
            self.status.now("waiting for the next attempt")
            return Step.IDLE
        if not settled:
            self.status.now("waiting until the attempt is open for good")
            return Step.IDLE
        return self._hand_in(state, self._message)

    def _curate(self, state: AttemptState) -> Step:
        self.status.now("training")
        self._desk.fetch_model(state.base_hash, self._curator.store)
        self._message = None
        try:
            self._message = self._curator.curate(state)
        except EncodingError as error:
            LOG.warning("the curator sits out round %d: %s", state.round, error)
        self._curated_for = opening(state)
        return Step.ACTED

    def _hand_in(self, state: AttemptState, message: bytes) -> Step:
        try:
            self._desk.hand_in_curated(state, message)
        except RelayRefused as error:
            LOG.warning("the curator sits out round %d: %s", state.round, error)
        self._message = None
        return Step.ACTED


class ReferenceHandIn:
    """The reference set's messages, made once: a hash of them binds the study, so a restart must send the same bytes.

    Args:
        material: the study's.
        key: the curator's signing key.
        state: its folder; `reference-0.msg` and so on, one a committee, and `reference.sha256` are kept there.
    """

    def __init__(self, material: Material, key: PrivateKey, state: Path) -> None:
        self._material = material
        self._key = key
        self._state = state
        self._digest_file = state / "reference.sha256"
        self.done = False

    def messages(self, reference: Dataset, study_id: bytes, validators: list[PublicKey]) -> tuple[list[bytes], bytes]:
        """The messages in the order of `possible_seats`, and the hash for the ledger, 32 bytes."""
        files = [self._state / f"reference-{number}.msg" for number in range(len(possible_seats(len(validators))))]
        if (kept := self._kept(files, study_id)) is not None:
            return kept
        initial = hashlib.sha256(to_safetensors(self._material.initial, self._material.layout)).digest()
        context = self._material.reference.context(study_id, initial)
        made, digest = share_reference(reference, context, self._key, validators)
        for file, message in zip(files, made.values(), strict=True):
            file.write_bytes(message)
        # After the messages: a process killed in between makes all anew.
        draft = self._digest_file.with_suffix(".draft")
        draft.write_text(digest.hex() + "\n", encoding="ascii")
        draft.replace(self._digest_file)
        return list(made.values()), digest

    def _kept(self, files: Sequence[Path], study_id: bytes) -> tuple[list[bytes], bytes] | None:
        """What was made before for this study, if all of it is there as it was."""
        try:
            messages, bound = [file.read_bytes() for file in files], bytes.fromhex(self._digest_file.read_text())
            headers = [parse(message, self._material.reference.length).header for message in messages]
        except (OSError, ValueError, MessageError):
            return None
        whole = reference_hash([header.digest() for header in headers]) == bound
        return (messages, bound) if whole and headers[0].context.study_id == study_id else None
