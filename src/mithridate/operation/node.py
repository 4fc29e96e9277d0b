"""A participant's own node of the ledger's network, from its start-up kit: every seal is checked, and none made."""

import logging
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from threading import Event
from types import FrameType
from urllib.parse import urlsplit

from mithridate.errors import EnrolmentError, LedgerError, SealRefused
from mithridate.ledger.chronicle_network import NetworkChronicle
from mithridate.ledger.endpoint import Endpoint, EndpointFailed, Refused
from mithridate.ledger.node.process import ANSWER_S, RunningNode
from mithridate.ledger.node.software import LOOPBACK, NODE_FOLDER, FollowingNode, node_program
from mithridate.ledger.settings import LedgerSettings
from mithridate.provisioning.kit import GENESIS_FILE
from mithridate.provisioning.manifest import STARTUP
from mithridate.provisioning.opened_kit import Kit
from mithridate.provisioning.private_files import PRIVATE_FOLDER

SETTLED = 12
"""Seals are checked so many blocks behind the last, for Clique may replace those; more than half of its sealers."""
LOOK_S = 2.0
TOLD_EVERY = 100_000
LOG = logging.getLogger(__name__)


def run_node(kit: Kit, programs: Path | None, told: Callable[[str], None]) -> None:
    """Runs the node until SIGTERM or SIGINT; from the main thread only.

    It listens where the participant looks: at the first of its `endpoints`, which has to be this machine's.

    Args:
        kit: opened; it holds a genesis file.
        programs: folder of geth or polygon-edge; None for that of `$MITHRIDATE_NETWORKS`, then the PATH.
        told: gets lines for the user: where the node answers, and how far it is.

    Raises:
        EnrolmentError: the kit has no genesis file, or its settings name no node of this machine first.
        InputError: the program is not there.
        LedgerError: the node ends or does not start, or its chain is not that of the other nodes.
        SealRefused: a block is not sealed as the genesis file asks.
    """
    stop = _stopped_by_signals()
    node = _node(kit, programs)
    node.prepare()
    name, terms = kit.member.participant.name, node.terms
    told(f"{name}: {terms.software} follows chain {terms.chain_id} and seals nothing; its data lies in {node.home}")
    with RunningNode(node) as process:
        if not process.wait(stop.is_set):
            return
        told(f"JSON-RPC for this machine alone: {process.url}")
        told(compared(process.endpoint, kit.settings.ledger.endpoints[1:]))
        _follow(process, kit.settings.ledger.finality, told, stop)


def own_port(settings: LedgerSettings) -> int:
    """The port of this machine at which a participant looks for its own node.

    Raises:
        EnrolmentError: the first endpoint is not this machine's.
    """
    parts = urlsplit(settings.endpoints[0] if settings.endpoints else "")
    if parts.scheme != "http" or parts.hostname not in (LOOPBACK, "localhost") or not parts.port:
        raise EnrolmentError(
            f"the participant would not use a node of its own: put http://{LOOPBACK}:8545 first in `endpoints` of"
            " [ledger] in local/participant.toml, with agreement = 1"
        )
    return parts.port


def compared(own: Endpoint, others: tuple[str, ...]) -> str:
    """What the other nodes say of the chain's first block, in words.

    Raises:
        LedgerError: some answer, and all of them tell of another chain than this node's.
    """
    begin = own.chain_id(), own.block(0).hash
    told: dict[str, tuple[int, bytes]] = {}
    for endpoint in (Endpoint(url, ANSWER_S) for url in others):
        try:
            told[endpoint.name] = endpoint.chain_id(), endpoint.block(0).hash
        except (EndpointFailed, Refused) as error:
            LOG.warning("%s cannot be asked for the first block: %s", endpoint.name, error)
        finally:
            endpoint.close()
    alike = [name for name, first in told.items() if first == begin]
    other = [f"{name} of {_from(*first)}" for name, first in told.items() if first != begin]
    if other and not alike:
        raise LedgerError(
            f"the kit's genesis file makes {_from(*begin)}, but {' and '.join(other)} tell: ask the key authority for a"
            " kit with the network's genesis file"
        )
    if other:
        LOG.warning("%s tell, unlike the kit: they lie or are of another network", " and ".join(other))
    return f"{_from(*begin)}, " + (f"as {' and '.join(alike)} tell" if alike else "compared with nobody")


def _from(chain: int, genesis: bytes) -> str:
    return f"chain {chain} from block 0x{genesis.hex()} on"


def _node(kit: Kit, programs: Path | None) -> FollowingNode:
    if kit.network is None:
        raise EnrolmentError(f"{kit.folder} holds no genesis file: ask for a kit written with `provision --genesis`")
    port = own_port(kit.settings.ledger)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise LedgerError(f"something listens at {LOOPBACK}:{port} already: a node may run there") from error
    home = kit.path(kit.settings.state).resolve() / NODE_FOLDER
    home.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    program = node_program(kit.network.software, programs)
    return FollowingNode(program, home, kit.folder / STARTUP / GENESIS_FILE, kit.network, port)


def _follow(process: RunningNode, finality: int, told: Callable[[str], None], stop: Event) -> None:
    chronicle = NetworkChronicle([process.url], max(finality, SETTLED))
    try:
        said = False
        while not stop.wait(LOOK_S):
            process.refuse_ended()
            caught_up = _check_new(chronicle, told, stop)
            if caught_up and not said and chronicle.sealed and chronicle.sealed.head.number:
                said = True
                told(_sealed(chronicle))
    finally:
        chronicle.close()


def _check_new(chronicle: NetworkChronicle, told: Callable[[str], None], stop: Event) -> bool:
    """Whether every block up to now was there and sealed as it should; SealRefused passes."""
    try:
        for block in chronicle.blocks():
            if block.number % TOLD_EVERY == 0:
                told(_sealed(chronicle))
            if stop.is_set():
                return False
    except SealRefused:
        raise
    except LedgerError as error:
        LOG.warning("the own node's blocks cannot be checked now: %s", error)
        return False
    return True


def _sealed(chronicle: NetworkChronicle) -> str:
    chain = chronicle.sealed
    if chain is None:
        return "no block yet"
    return f"block {chain.head.number}: each is sealed as {chain.consensus} asks, by {len(chain.sealed)} sealers"


def _stopped_by_signals() -> Event:
    stop = Event()

    def handle(signum: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    return stop
