"""A network of geth nodes under Clique, Ethereum's proof of authority (EIP-225): changes cost one wei a unit of gas.

geth forwards no transaction that pays nothing, so its accounts are funded from a treasury of the genesis block. Version
1.13.15 is the last that seals under Clique.
"""

import json
import secrets
import subprocess
from pathlib import Path

from eth_account import Account as Signer
from eth_keys.datatypes import PrivateKey

from mithridate.errors import LedgerError
from mithridate.evaluation.networks.local import LocalNetwork, binary
from mithridate.evaluation.networks.process import LOOPBACK, NodeProcess, free_ports
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


def clique_network(folder: Path, *, sealers: int = 4, followers: int = 1) -> LocalNetwork:
    """A network of geth nodes with its data in `folder`; `start` starts it.

    Args:
        folder: new or empty.
        sealers: how many nodes seal.
        followers: how many only follow.

    Raises:
        LedgerError: there is no geth, or it does not take the genesis block.
    """
    geth, chain = str(binary("geth")), 1 + secrets.randbelow(2**31)
    folder.mkdir(parents=True, exist_ok=True)
    treasury, seats = new_account(), [new_account() for _ in range(sealers)]
    genesis = folder / "genesis.json"
    genesis.write_text(json.dumps(_genesis(chain, seats, treasury)), encoding="utf-8")
    count = sealers + followers
    ports, keys = free_ports(2 * count), [secrets.token_bytes(32) for _ in range(count)]
    addresses = [_enode(key, port) for key, port in zip(keys, ports[:count], strict=True)]
    nodes = []
    for number in range(count):
        home = folder / f"node-{number}"
        _initialise(geth, home, genesis)
        config = _config(home, keys[number], ports[number], [each for each in addresses if each != addresses[number]])
        command = [*_command(geth, home, config, chain, ports[count + number]), *_sealing(home, seats, number)]
        nodes.append(NodeProcess(f"geth-{number}", command, ports[count + number], home / "log"))
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


def _config(home: Path, key: bytes, port: int, peers: list[str]) -> Path:
    (home / "nodekey").write_text(key.hex(), encoding="utf-8")
    listed = json.dumps(peers)
    config = home / "config.toml"
    # Only the file can bind the peers' port to loopback: the option --port listens everywhere.
    config.write_text(
        f'[Node.P2P]\nListenAddr = "{LOOPBACK}:{port}"\nNoDiscovery = true\nStaticNodes = {listed}\n'
        f"TrustedNodes = {listed}\n",
        encoding="utf-8",
    )
    return config


def _command(geth: str, home: Path, config: Path, chain: int, rpc: int) -> list[str]:
    return [
        *(geth, "--config", str(config), "--datadir", str(home), "--nodekey", str(home / "nodekey")),
        *("--networkid", str(chain), "--nat", "none", "--netrestrict", f"{LOOPBACK}/32", "--ipcdisable"),
        *("--http", "--http.addr", LOOPBACK, "--http.port", str(rpc), "--http.api", MODULES),
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


def _enode(key: bytes, port: int) -> str:
    return f"enode://{PrivateKey(key).public_key.to_bytes().hex()}@{LOOPBACK}:{port}"
