"""A network of polygon-edge nodes under IBFT, Byzantine fault tolerant: a block is final at once, and changes are free.

With one sealer of four down, each block whose turn is its own comes 11 seconds late.
"""

import json
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path

from mithridate.emulation.host import LOOPBACK_HOST, Host
from mithridate.errors import LedgerError
from mithridate.evaluation.networks.local import LocalNetwork, binary
from mithridate.evaluation.networks.process import NodeProcess, free_ports

PERIOD_S = 1
GAS_LIMIT = 100_000_000
PREFIX = "node-"


def ibft_network(folder: Path, *, sealers: int = 4, followers: int = 1, hosts: Sequence[Host] = ()) -> LocalNetwork:
    """A network of polygon-edge nodes with its data in `folder`; `start` starts it.

    Args:
        folder: new or empty.
        sealers: how many nodes seal.
        followers: how many only follow.
        hosts: of the sealers, then the followers; all on this machine's loopback if left out.

    Raises:
        LedgerError: there is no polygon-edge, or it does not take the genesis block.
    """
    edge, chain = str(binary("polygon-edge")), 1 + secrets.randbelow(2**31)
    folder.mkdir(parents=True, exist_ok=True)
    count = sealers + followers
    machines, ports = list(hosts) or [LOOPBACK_HOST] * count, free_ports(3 * count)
    identities = [_identity(edge, _home(folder, number, sealers)) for number in range(count)]
    boot = [
        f"/ip4/{machines[number].address}/tcp/{ports[number]}/p2p/{identities[number]}" for number in range(sealers)
    ]
    genesis = folder / "genesis.json"
    _run(
        *(edge, "genesis", "--consensus", "ibft", "--dir", str(genesis), "--chain-id", str(chain)),
        *("--ibft-validator-type", "ecdsa", "--validators-path", str(folder), "--validators-prefix", PREFIX),
        *("--block-gas-limit", str(GAS_LIMIT), "--block-time", f"{PERIOD_S}s"),
        *(part for address in boot for part in ("--bootnode", address)),
    )
    nodes = []
    for number in range(count):
        home, rpc, host = _home(folder, number, sealers), ports[count + number], machines[number]
        command = [
            *(edge, "server", "--data-dir", str(home), "--chain", str(genesis), "--log-level", "INFO"),
            *("--libp2p", f"{host.address}:{ports[number]}"),
            *("--grpc-address", f"{host.address}:{ports[2 * count + number]}"),
            *("--jsonrpc", f"{host.address}:{rpc}", f"--seal={str(number < sealers).lower()}"),
        ]
        nodes.append(NodeProcess(f"polygon-edge-{number}", command, rpc, folder / f"{number}.log", host))
    return LocalNetwork("ibft", tuple(nodes[:sealers]), tuple(nodes[sealers:]), 0, None, genesis)


def _home(folder: Path, number: int, sealers: int) -> Path:
    # The genesis command takes every folder of this prefix for a sealer's.
    return folder / (f"{PREFIX}{number}" if number < sealers else f"follower-{number}")


def _identity(edge: str, home: Path) -> str:
    # `--insecure` keeps the keys in files, which end with the network's folder.
    told = _run(edge, "secrets", "init", "--insecure", "--json", "--data-dir", str(home))
    try:
        return str(json.loads(told)[0]["node_id"])
    except (ValueError, LookupError, TypeError) as error:
        raise LedgerError(f"polygon-edge tells no node id: {told[:200]}") from error


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode:
        raise LedgerError(f"{' '.join(command[:2])} failed: {(done.stderr or done.stdout)[-500:]}")
    return done.stdout
