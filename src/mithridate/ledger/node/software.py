"""How geth and polygon-edge are told to follow: every port on loopback, full sync, no account unlocked, no sealing."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mithridate.errors import InputError, LedgerError
from mithridate.ledger.node.terms import NodeTerms, Software

PROGRAMS = "MITHRIDATE_NETWORKS"
"""Environment variable: a folder that holds the nodes' programs."""
NODE_FOLDER = "node"
"""In a participant's folder for state; no backup holds it, since the node fetches it from its peers."""
LOOPBACK = "127.0.0.1"
PREPARE_S = 120.0
_TEXT = 500


@dataclass(frozen=True)
class FollowingNode:
    """A node that seals nothing.

    Args:
        program: of the terms' software.
        home: its own folder, made already; it holds one chain.
        genesis: the network's genesis file.
        terms: the network's.
        rpc_port: where its JSON-RPC answers, on loopback.
    """

    program: Path
    home: Path
    genesis: Path
    terms: NodeTerms
    rpc_port: int

    def prepare(self) -> None:
        """Lets the program make of the folder what it needs; done before every start.

        Raises:
            LedgerError: the folder holds another network's chain, or the program fails.
        """
        if self.terms.software is Software.GETH:
            (self.home / "config.toml").write_text(_geth_peers(self.terms), encoding="utf-8")
            self._run("--datadir", str(self.home), "--state.scheme", "hash", "init", str(self.genesis))
        elif not (self.home / "libp2p" / "libp2p.key").exists():
            # The key by which peers know it. One for consensus it makes itself, which is no sealer's.
            self._run("secrets", "init", "--insecure", "--ecdsa=false", "--bls=false", "--data-dir", str(self.home))

    @property
    def command(self) -> list[str]:
        """Starts the node in the foreground."""
        options = _geth(self) if self.terms.software is Software.GETH else _polygon_edge(self)
        return [str(self.program), *options]

    def failure(self, what: str, said: str) -> LedgerError:
        """The error of a program that failed, by what it said."""
        end = said.strip()[-_TEXT:]
        if "genesis" in said and ("incompatible" in said or "does not match" in said):
            return LedgerError(
                f"{self.home} holds the chain of another genesis block than the kit's ({end}): move the folder away,"
                " and the node fetches the kit's chain anew"
            )
        return LedgerError(f"{self.terms.software} {what}: {end}")

    def _run(self, *arguments: str) -> None:
        command = [str(self.program), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, check=False, timeout=PREPARE_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LedgerError(f"{self.program} does not run: {error}") from error
        if done.returncode:
            raise self.failure("does not take the genesis file", (done.stderr or done.stdout).decode(errors="replace"))


def node_program(software: Software, folder: Path | None = None) -> Path:
    """A node's program: in `folder`, in that of `$MITHRIDATE_NETWORKS`, or on the PATH.

    Raises:
        InputError: it is nowhere.
    """
    places = [str(folder or ""), os.environ.get(PROGRAMS, ""), os.environ.get("PATH", "")]
    found = shutil.which(software, path=os.pathsep.join(filter(None, places)))
    if found is None:
        raise InputError(
            f"there is no program {software}: install it, or name its folder with --programs or the variable {PROGRAMS}"
        )
    return Path(found).resolve()


def _geth(node: FollowingNode) -> list[str]:
    return [
        *("--config", str(node.home / "config.toml"), "--datadir", str(node.home)),
        *("--networkid", str(node.terms.chain_id), "--nat", "none", "--ipcdisable", "--authrpc.port", "0"),
        *("--http", "--http.addr", LOOPBACK, "--http.port", str(node.rpc_port), "--http.api", "eth,net"),
        # The state of every block stays on the disk: a node that is killed goes on where it was.
        *("--syncmode", "full", "--gcmode", "archive", "--state.scheme", "hash", "--verbosity", "2"),
        # Until it has seen what others pay, the network's changes cost next to nothing.
        *("--miner.gasprice", "1", "--txpool.pricelimit", "1", "--gpo.ignoreprice", "0"),
    ]


def _geth_peers(terms: NodeTerms) -> str:
    peers = json.dumps(terms.peers)
    # Only the file can bind the peers' port to loopback: the option --port listens everywhere.
    listen = f'ListenAddr = "{LOOPBACK}:0"\nNoDiscovery = true'
    return f"[Node.P2P]\n{listen}\nStaticNodes = {peers}\nTrustedNodes = {peers}\n"


def _polygon_edge(node: FollowingNode) -> list[str]:
    return [
        *("server", "--data-dir", str(node.home), "--chain", str(node.genesis), "--seal=false"),
        *("--libp2p", f"{LOOPBACK}:0", "--grpc-address", f"{LOOPBACK}:0", "--log-level", "WARN"),
        *("--jsonrpc", f"{LOOPBACK}:{node.rpc_port}", "--access-control-allow-origins", f"http://{LOOPBACK}"),
    ]
