"""The hospital's role: train beside its data, commit on the ledger, hand in a sealed message."""

import numpy as np
import numpy.typing as npt

from mithridate.crypto.fixed_point import decode, encode
from mithridate.crypto.keys import PrivateKey
from mithridate.errors import ModelRefused, StaleError
from mithridate.federation.collusion import earlier_models
from mithridate.federation.seats import envelope_keys
from mithridate.federation.site import Site
from mithridate.federation.submission import RoundContext, make_submission
from mithridate.ledger.interface import AttemptState, Ledger
from mithridate.ledger.store import ModelStore
from mithridate.models.files import from_safetensors
from mithridate.models.layout import Layout


class Hospital:
    """One hospital in a secure study. Its update leaves it in shares only, each sealed to the validators who hold it.

    Args:
        site: its records and training.
        ledger: the ledger, from its own account.
        signing_key: its enrolled P-256 key.
        store: where global models lie.
        layout: of the study's model.
    """

    def __init__(self, site: Site, ledger: Ledger, signing_key: PrivateKey, store: ModelStore, layout: Layout) -> None:
        self.site = site
        self.name = site.name
        self._ledger = ledger
        self._key = signing_key
        self._store = store
        self._layout = layout
        self._secret: npt.NDArray[np.uint64] | None = None
        self._digest = b""

    def train(self, announced: AttemptState) -> None:
        """Trains on the round's base model, as the ledger and not the announcement names it.

        Raises:
            RuleViolation: the announced attempt is not on the ledger.
            ModelRefused: the base is not current, or an auditor's finding stands against it.
            ModelAltered: the model file is not the one the ledger names.
            EncodingError: the update is not finite, or does not fit the ring.
        """
        self._secret = None
        # A coordinator that lied about the generation would make two openings share their randomness.
        state = self._ledger.attempt(announced.round, announced.attempt)
        if not self._ledger.may_train(state.base_hash):
            raise ModelRefused(
                f"model {state.base_hash.hex()} is not to be trained on: it is not the ledger's current model, or an"
                " auditor's finding stands against it"
            )
        base = from_safetensors(self._store.get(state.base_hash.hex()), self._layout)
        earlier = self._earlier(state)
        self._secret = self.encode(self.site.update(base, state.round, state.generation, earlier))

    def shown(self, state: AttemptState) -> npt.NDArray[np.float64] | None:
        """What a simulated malicious hospital trained, float64 (d,), for its fellows; an honest one shows None."""
        if self._secret is None or not self.site.colludes(state.round):
            return None
        return decode(self._secret)

    def replace(self, update: npt.NDArray[np.float64]) -> None:
        """A malicious hospital takes the update that the colluders agreed on in place of the trained one.

        Raises:
            EncodingError: it is not finite, or too large; the hospital then has nothing to hand in.
        """
        self._secret = None
        self._secret = self.encode(update)

    def encode(self, update: npt.NDArray[np.float64]) -> npt.NDArray[np.uint64]:
        """The update in fixed point, uint64 (d,); raises EncodingError for what is not finite or too large."""
        return encode(update)

    @property
    def trained(self) -> bool:
        """True while an update waits to be handed in."""
        return self._secret is not None

    def seal(self, state: AttemptState) -> bytes:
        """The message of this attempt, from the update that `train` made: fresh shares, nonces and keys every time."""
        if self._secret is None:
            raise StaleError(f"{self.name} has no update for round {state.round}: it must train first")
        validators = envelope_keys(self._ledger, state.committee)
        message, self._digest = make_submission(self._secret, self._context(state), self._key, validators)
        return message

    def commit(self, state: AttemptState) -> None:
        """Writes the digest of the sealed message to the ledger.

        Raises:
            RuleViolation: too late, twice, or not enrolled.
        """
        self._ledger.submit(state.round, state.attempt, self._digest)

    def forget(self) -> None:
        """Drops the update once its round is over."""
        self._secret = None

    def _earlier(self, state: AttemptState) -> tuple[npt.NDArray[np.float32], ...]:
        if not self.site.colludes(state.round):
            return ()
        return earlier_models(self._ledger, self._store, self._layout, state)

    def _context(self, state: AttemptState) -> RoundContext:
        return RoundContext(
            self._ledger.study_id(), state.round, state.attempt, self.site.index, state.base_hash, self._layout.size
        )
