"""A network of geth nodes under Clique, Ethereum's proof of authority (EIP-225): changes cost one wei a unit of gas.

geth forwards no transaction that pays nothing, so its accounts are funded from a treasury of the genesis block. Version
1.13.15 is the last that seals under Clique.
"""

import json
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path

from eth_account import Account as Signer
from eth_keys.datatypes import PrivateKey

from mithridate.emulation.host import LOOPBACK_HOST, Host
from mithridate.errors import LedgerError
from mithridate.evaluation.networks.local import LocalNetwork, binary
from mithridate.evaluation.networks.process import NodeProcess, free_ports
from mithridate.ledger.accounts import Account, new_account

PERIOD_S = 1
EPOCH = 30_000
GAS_LIMIT = 100_000_000
PRICE = 1
TREASURY_WEI = 10**30
VANITY, SEAL = bytes(32), bytes(65)
FORKS = (
    *("homesteadBlock", "eip150Block", "eip155Block", "eip158Block", "byzantiumBlock", "constantinopleBlock"),
    *("petersburgBlock", "istanbulBlock", "berlinBlock"),
)
"""Up to Berlin: London's base fee would rise under load and never return to nothing."""
MODULES = "eth,net,admin,txpool,clique"


def clique_network(folder: Path, *, sealers: int = 4, followers: int = 1, hosts: Sequence[Host] = ()) -> LocalNetwork:
    """A network of geth nodes with its data in `folder`; `start` starts it.

    Args:
        folder: new or empty.
        sealers: how many nodes seal.
        followers: how many only follow.
        hosts: of the sealers, then the followers; all on this machine's loopback if left out.

    Raises:
        LedgerError: there is no geth, or it does not take the genesis block.
    """
    geth, chain = str(binary("geth")), 1 + secrets.randbelow(2**31)
    folder.mkdir(parents=True, exist_ok=True)
    treasury, seats = new_account(), [new_account() for _ in range(sealers)]
    genesis = folder / "genesis.json"
    genesis.write_text(json.dumps(_genesis(chain, seats, treasury)), encoding="utf-8")
    count = sealers + followers
    machines = list(hosts) or [LOOPBACK_HOST] * count
    ports, keys = free_ports(2 * count), [secrets.token_bytes(32) for _ in range(count)]
    addresses = [_enode(key, host, port) for key, host, port in zip(keys, machines, ports[:count], strict=True)]
    allowed = ",".join(sorted({f"{host.address}/32" for host in machines}))
    nodes = []
    for number in range(count):
        home = folder / f"node-{number}"
        _initialise(geth, home, genesis)
        host, rpc = machines[number], ports[count + number]
        others = [each for each in addresses if each != addresses[number]]
        config = _config(home, keys[number], f"{host.address}:{ports[number]}", others)
        reach = ["--netrestrict", allowed, "--http.addr", host.address, "--http.port", str(rpc)]
        command = [*_command(geth, home, config, chain), *reach, *_sealing(home, seats, number)]
        nodes.append(NodeProcess(f"geth-{number}", command, rpc, home / "log", host))
    return LocalNetwork("clique", tuple(nodes[:sealers]), tuple(nodes[sealers:]), sealers // 2, treasury, genesis)


def _genesis(chain: int, sealers: list[Account], treasury: Account) -> dict[str, object]:
    seats = sorted(bytes.fromhex(account.address[2:]) for account in sealers)
    return {
        "config": {"chainId": chain, "clique": {"period": PERIOD_S, "epoch": EPOCH}} | dict.fromkeys(FORKS, 0),
        "difficulty": "1",
        "gasLimit": hex(GAS_LIMIT),
        "extradata": "0x" + (VANITY + b"".join(seats) + SEAL).hex(),
        "alloc": {treasury.address: {"balance": hex(TREASURY_WEI)}},
    }


def _initialise(geth: str, home: Path, genesis: Path) -> None:
    home.mkdir(parents=True)
    # An archive keeps the state of every block on the disk: a node that is killed goes on where it was.
    command = [geth, "--datadir", str(home), "--state.scheme", "hash", "init", str(genesis)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise LedgerError(f"geth does not take the genesis block: {done.stderr.decode(errors='replace')[-500:]}")


def _config(home: Path, key: bytes, listen: str, peers: list[str]) -> Path:
    (home / "nodekey").write_text(key.hex(), encoding="utf-8")
    listed = json.dumps(peers)
    config = home / "config.toml"
    # Only the file can bind the peers' port to one address: the option --port listens everywhere.
    config.write_text(
        f'[Node.P2P]\nListenAddr = "{listen}"\nNoDiscovery = true\nStaticNodes = {listed}\nTrustedNodes = {listed}\n',
        encoding="utf-8",
    )
    return config


def _command(geth: str, home: Path, config: Path, chain: int) -> list[str]:
    return [
        *(geth, "--config", str(config), "--datadir", str(home), "--nodekey", str(home / "nodekey")),
        *("--networkid", str(chain), "--nat", "none", "--ipcdisable"),
        *("--http", "--http.api", MODULES),
        *("--syncmode", "full", "--gcmode", "archive", "--state.scheme", "hash", "--cache", "64"),
        *("--miner.gaslimit", str(GAS_LIMIT), "--miner.gasprice", str(PRICE), "--txpool.pricelimit", str(PRICE)),
        *("--gpo.maxprice", "1000", "--gpo.ignoreprice", "0", "--authrpc.port", "0", "--verbosity", "3"),
    ]


def _sealing(home: Path, seats: list[Account], number: int) -> list[str]:
    if number >= len(seats):
        return []
    account = seats[number]
    password = home / "password"
    password.write_text(secrets.token_hex(16), encoding="utf-8")
    # A light encryption: the key and its password lie side by side, for as long as the network runs.
    store = Signer.encrypt(account.key, password.read_text(encoding="utf-8"), kdf="pbkdf2", iterations=1)
    (home / "keystore").mkdir(exist_ok=True)
    (home / "keystore" / "sealer.json").write_text(json.dumps(store), encoding="utf-8")
    return [
        *("--mine", "--miner.etherbase", account.address, "--unlock", account.address),
        *("--password", str(password), "--allow-insecure-unlock"),
    ]


def _enode(key: bytes, host: Host, port: int) -> str:
    return f"enode://{PrivateKey(key).public_key.to_bytes().hex()}@{host.address}:{port}"
