"""A malicious hospital where a study simulates attacks among machines: it knows what its fellows would train."""

from collections.abc import Sequence

from mithridate.crypto.fixed_point import decode
from mithridate.federation.collusion import agreed, earlier_models
from mithridate.federation.hospital import Hospital
from mithridate.federation.remote.site_desk import CoordinatorDesk
from mithridate.federation.site import Site
from mithridate.ledger.interface import AttemptState, Ledger
from mithridate.ledger.store import ModelStore
from mithridate.models.files import from_safetensors
from mithridate.models.layout import Layout


class Malice:
    """What a simulated malicious hospital does beyond an honest one. Its fellows' records are at hand in a simulation.

    Args:
        fellows: the sites of all colluders, its own among them.
        hospitals: n, all of the study's.
        layout: of the study's model.
    """

    def __init__(self, fellows: Sequence[Site], hospitals: int, layout: Layout) -> None:
        self._fellows = tuple(fellows)
        self._hospitals = hospitals
        self._layout = layout

    def look_back(self, state: AttemptState, ledger: Ledger, desk: CoordinatorDesk, store: ModelStore) -> None:
        """Fetches the models of earlier rounds, which some attacks use."""
        for number in range(1, state.round):
            desk.fetch_model(ledger.attempt(number, ledger.attempts(number) - 1).base_hash, store)

    def conspire(self, hospital: Hospital, state: AttemptState, ledger: Ledger, store: ModelStore) -> None:
        """Puts what the colluders agree on in the place of what the hospital trained.

        Raises:
            EncodingError: it does not fit the ring.
        """
        own = hospital.shown(state)
        if own is None:
            return
        base = from_safetensors(store.get(state.base_hash.hex()), self._layout)
        earlier = earlier_models(ledger, store, self._layout, state)
        out = ledger.suspended()
        present = [site for site in self._fellows if site.index not in out and site.colludes(state.round)]
        trained = {
            site.index: own
            if site.index == hospital.site.index
            else decode(hospital.encode(site.update(base, state.round, state.generation, earlier)))
            for site in present
        }
        sent = agreed(present, trained, base, earlier, state.round, self._hospitals)
        hospital.replace(sent[hospital.site.index])
