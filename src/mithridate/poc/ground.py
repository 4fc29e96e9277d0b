"""The network of the proof of concept's ledger: four sealing nodes where they are built, else the ledger service."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mithridate.emulation.host import Hosts, on_loopback
from mithridate.errors import InputError, LedgerError
from mithridate.evaluation.networks.clique import clique_network
from mithridate.evaluation.networks.funds import WEI
from mithridate.evaluation.networks.ibft import ibft_network
from mithridate.evaluation.networks.local import LocalNetwork, binary, started
from mithridate.ledger.settings import LedgerSettings
from mithridate.poc.service import LedgerService

CLIQUE, IBFT, EMBEDDED, AUTO = "clique", "ibft", "embedded", "auto"
NETWORKS = {CLIQUE: clique_network, IBFT: ibft_network}
AUDITOR, LEDGER = "auditor", "ledger"
SEALERS = ("validator-0", "validator-1", "validator-2", AUDITOR)
"""Beside whom a node seals: three validators and the auditor."""


class Ground(Protocol):
    """A network that runs."""

    @property
    def kind(self) -> str:
        """`clique`, `ibft` or `embedded`."""
        ...

    @property
    def settings(self) -> LedgerSettings:
        """How whoever has no node of its own reaches it."""
        ...

    @property
    def nodes(self) -> Sequence[str]:
        """URL of the node of each validator's organisation, then of the auditor's."""
        ...

    def fund(self, addresses: Sequence[str]) -> None:
        """Lets accounts make changes."""
        ...

    def stop(self) -> None:
        """Ends it."""
        ...


@dataclass(frozen=True)
class SealersGround:
    """Four nodes that seal in turn: geth's under proof of authority, or polygon-edge's under IBFT.

    Args:
        network: which runs.
    """

    network: LocalNetwork

    @property
    def kind(self) -> str:
        """See `Ground`."""
        return self.network.kind

    @property
    def nodes(self) -> Sequence[str]:
        """See `Ground`."""
        return [node.url for node in self.network.sealers]

    @property
    def settings(self) -> LedgerSettings:
        """See `Ground`."""
        return LedgerSettings(endpoints=tuple(self.nodes), finality=self.network.finality, agreement=2)

    def fund(self, addresses: Sequence[str]) -> None:
        """See `Ground.fund`."""
        if self.network.treasury is None:
            return
        view = self.network.connect(self.network.sealers[0])
        try:
            with view.block():
                for address in addresses:
                    view.pay(self.network.treasury, address, WEI)
        finally:
            view.close()

    def stop(self) -> None:
        """See `Ground.stop`."""
        self.network.stop()


@dataclass(frozen=True)
class EmbeddedGround:
    """The embedded ledger in a process of its own; changes cost nothing.

    Args:
        service: which runs.
    """

    service: LedgerService
    kind: str = EMBEDDED

    @property
    def nodes(self) -> Sequence[str]:
        """See `Ground`."""
        return [self.service.url] * len(SEALERS)

    @property
    def settings(self) -> LedgerSettings:
        """See `Ground`."""
        return LedgerSettings(endpoints=(self.service.url,), finality=0, agreement=1)

    def fund(self, addresses: Sequence[str]) -> None:
        """See `Ground.fund`."""

    def stop(self) -> None:
        """See `Ground.stop`."""
        self.service.stop()


def start_ground(kind: str, folder: Path, hosts: Hosts = on_loopback) -> Ground:
    """Starts the network.

    Args:
        kind: `clique`, `ibft`, `embedded`, or `auto`: Clique where geth is built, else embedded.
        folder: for its data.
        hosts: the service runs on that of `LEDGER`, sealers on those of `SEALERS`.

    Raises:
        InputError: no such kind.
        LedgerError: it does not start.
    """
    if kind not in (*NETWORKS, EMBEDDED, AUTO):
        raise InputError(f"--network {kind!r} is unknown: one of {', '.join((AUTO, *NETWORKS, EMBEDDED))}")
    if kind == AUTO and _has_geth():
        kind = CLIQUE
    if kind in NETWORKS:
        make, machines = NETWORKS[kind], [hosts(name) for name in SEALERS]
        return SealersGround(
            started(lambda place: make(place, sealers=len(SEALERS), followers=0, hosts=machines), folder)
        )
    return EmbeddedGround(LedgerService(folder, hosts(LEDGER)).start())


def _has_geth() -> bool:
    try:
        binary("geth")
    except LedgerError:
        return False
    return True
