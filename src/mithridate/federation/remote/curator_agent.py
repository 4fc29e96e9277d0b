"""The curator's process: in each attempt it trains on the reference set and hands in what the validators test by."""

import logging

from mithridate.errors import EncodingError
from mithridate.federation.curator import Curator
from mithridate.federation.remote.agent import Agent, Pace, Step
from mithridate.federation.remote.site_desk import CoordinatorDesk
from mithridate.federation.remote.wire import RelayRefused
from mithridate.ledger.interface import AttemptState, Ledger, Phase

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
    """

    def __init__(
        self, curator: Curator, ledger: Ledger, desk: CoordinatorDesk, curated: bool, rounds: int, pace: Pace
    ) -> None:
        super().__init__("curator", ledger, rounds, pace)
        self._curator = curator
        self._desk = desk
        self._curated = curated
        self._done: tuple[int, int] | None = None

    def step(self, state: AttemptState) -> Step:
        """See `Agent.step`."""
        place = (state.round, state.attempt)
        if not self._curated or state.phase is not Phase.SUBMITTING or self._done == place:
            self.status.now("waiting for the next attempt")
            return Step.IDLE
        self.status.now("training")
        self._desk.fetch_model(state.base_hash, self._curator.store)
        try:
            self._desk.hand_in_curated(state, self._curator.curate(state))
        except (EncodingError, RelayRefused) as error:
            LOG.warning("the curator sits out round %d: %s", state.round, error)
        self._done = place
        return Step.ACTED
