"""A network of sealers and followers on this machine, whichever software its nodes run."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from mithridate.errors import LedgerError
from mithridate.evaluation.networks.process import NodeProcess
from mithridate.ledger.accounts import Account
from mithridate.ledger.endpoint import EndpointFailed, Refused
from mithridate.ledger.evm import EvmNetwork
from mithridate.ledger.node.software import PROGRAMS

BUILT = Path(".networks") / "bin"
FIRST_BLOCK = 6
"""An even number of Clique's sealers that start unevenly may lock one another out over the blocks before."""
START_S = 60.0
STARTS = 3
POLL_S = 0.1


@dataclass(frozen=True)
class LocalNetwork:
    """Nodes that run, as a context: all are ended at its end.

    Attributes:
        kind: `clique` or `ibft`.
        sealers: nodes that seal blocks: the validators' organisations and the auditor's.
        followers: nodes that only follow, a hospital's.
        finality: blocks on top of one that make it final.
        treasury: an account with funds in the genesis block; None where changes cost nothing.
        genesis: its genesis file; None where the network was not made here.
    """

    kind: str
    sealers: tuple[NodeProcess, ...]
    followers: tuple[NodeProcess, ...]
    finality: int
    treasury: Account | None
    genesis: Path | None = None

    @property
    def nodes(self) -> tuple[NodeProcess, ...]:
        """All nodes, sealers first."""
        return self.sealers + self.followers

    def connect(self, *nodes: NodeProcess, agreement: int = 1, timeout: float = 120.0) -> EvmNetwork:
        """The network as seen through some of its nodes, the first follower if none is named."""
        urls = [node.url for node in nodes or self.followers[:1]]
        return EvmNetwork(urls, finality=self.finality, agreement=agreement, timeout=timeout)

    def start(self) -> "LocalNetwork":
        """Starts all nodes and waits until each has sealed or followed the first blocks."""
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait()
        self.wait_height(FIRST_BLOCK)
        return self

    def wait_height(self, number: int, nodes: Sequence[NodeProcess] = ()) -> None:
        """Waits until these nodes (all, if none is named) have the block of this number; LedgerError after a minute."""
        deadline = time.monotonic() + START_S
        lacking = list(nodes or self.nodes)
        while lacking:
            lacking = [node for node in lacking if height(node) < number]
            if lacking and time.monotonic() > deadline:
                names = ", ".join(f"{node.name} at {height(node)}" for node in lacking)
                raise LedgerError(f"the local network does not reach block {number}: {names}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Ends all nodes."""
        for node in self.nodes:
            node.kill()

    def __enter__(self) -> "LocalNetwork":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def started(make: Callable[[Path], LocalNetwork], folder: Path) -> LocalNetwork:
    """A network that seals; another one where its sealers locked one another out, which a busy machine makes likely.

    Args:
        make: of a folder that it makes.
        folder: of the networks that are tried; made if missing.

    Raises:
        LedgerError: the network is not built, or none of the tries sealed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    failure: LedgerError | None = None
    for number in range(STARTS):
        made = make(folder / f"network-{number}")
        try:
            return made.start()
        except LedgerError as error:
            made.stop()
            failure = error
    raise LedgerError(f"none of {STARTS} networks sealed: {failure}") from failure


def height(node: NodeProcess) -> int:
    """Number of a node's last block, -1 while it does not answer."""
    try:
        return node.height()
    except (EndpointFailed, Refused):
        return -1


def binary(name: str) -> Path:
    """A node's program: from `$MITHRIDATE_NETWORKS`, `.networks/bin` here or in a folder above, or the PATH.

    Raises:
        LedgerError: it is nowhere.
    """
    given = os.environ.get(PROGRAMS)
    here = Path.cwd()
    folders = [Path(given)] if given else [folder / BUILT for folder in (here, *here.parents)]
    found = [folder / name for folder in folders if (folder / name).is_file()]
    on_path = shutil.which(name)
    if not found and on_path is None:
        raise LedgerError(f"there is no {name}: build it with `make networks` (needs Go), or set {PROGRAMS}")
    return found[0] if found else Path(str(on_path))
