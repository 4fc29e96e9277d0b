"""The network of the proof of concept's ledger: geth's sealers where they are built, else the ledger service."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mithridate.emulation.host import Hosts, on_loopback
from mithridate.errors import InputError, LedgerError
from mithridate.evaluation.networks.clique import clique_network
from mithridate.evaluation.networks.funds import WEI
from mithridate.evaluation.networks.local import LocalNetwork, binary, started
from mithridate.ledger.settings import LedgerSettings
from mithridate.poc.service import LedgerService

CLIQUE, EMBEDDED, AUTO = "clique", "embedded", "auto"
AUDITOR, LEDGER = "auditor", "ledger"
SEALERS = ("validator-0", "validator-1", "validator-2", AUDITOR)
"""Beside whom a node seals: three validators and the auditor."""


class Ground(Protocol):
    """A network that runs."""

    @property
    def kind(self) -> str:
        """`clique` or `embedded`."""
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
class CliqueGround:
    """Four geth nodes under proof of authority.

    Args:
        network: which runs.
    """

    network: LocalNetwork
    kind: str = CLIQUE

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
        kind: `clique`, `embedded`, or `auto` for geth where it is built.
        folder: for its data.
        hosts: the service runs on that of `LEDGER`, geth's sealers on those of `SEALERS`.

    Raises:
        InputError: no such kind.
        LedgerError: it does not start.
    """
    if kind not in (CLIQUE, EMBEDDED, AUTO):
        raise InputError(f"--network {kind!r} is unknown: one of {AUTO}, {CLIQUE}, {EMBEDDED}")
    if kind == CLIQUE or (kind == AUTO and _has_geth()):
        machines = [hosts(name) for name in SEALERS]
        return CliqueGround(
            started(lambda place: clique_network(place, sealers=len(SEALERS), followers=0, hosts=machines), folder)
        )
    return EmbeddedGround(LedgerService(folder, hosts(LEDGER)).start())


def _has_geth() -> bool:
    try:
        binary("geth")
    except LedgerError:
        return False
    return True
