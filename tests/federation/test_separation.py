"""What each party of the local runtime holds in memory and on the disk in the middle of a round."""

import gc
import stat
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric import ec
from web3 import Web3

from mithridate.crypto import sharing
from mithridate.crypto.fixed_point import decode, encode
from mithridate.crypto.keys import private_from_pem
from mithridate.data.dataset import Dataset
from mithridate.federation import submission
from mithridate.federation.hospital import Hospital
from mithridate.federation.packing import split
from mithridate.federation.parties import Committee
from mithridate.federation.prepared import Prepared
from mithridate.federation.site import Site
from mithridate.federation.validator import Validator
from mithridate.ledger.accounts import Account
from mithridate.ledger.chain import EmbeddedChain
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.journal import Journal
from mithridate.mpc.shares import ReplicatedShare

COUNT = 5
RANKS = pytest.mark.parametrize("rank", range(3))
WINDOW = 8
"""Entries of a canary: enough that nothing else holds the same by chance."""
SHARED = (types.ModuleType, type, Web3, EmbeddedLedger, EmbeddedChain, Journal)
"""Where a walk stops: code, and the chain that everybody may read."""


def referents(thing: object) -> Iterable[object]:
    if isinstance(thing, types.FunctionType):
        # Not its globals: they are the module's.
        return [*(cell.cell_contents for cell in thing.__closure__ or ()), *(thing.__defaults__ or ())]
    if isinstance(thing, np.ndarray):
        return [] if thing.base is None else [thing.base]
    if isinstance(thing, memoryview):
        return [thing.obj]
    return gc.get_referents(thing)


def reachable(root: object) -> list[object]:
    """Everything that can be got at from an object by attributes, items, closures and views."""
    seen: dict[int, object] = {}
    waiting = [root]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, SHARED):
            continue
        seen[id(thing)] = thing
        waiting.extend(referents(thing))
    return list(seen.values())


def blobs(things: Iterable[object]) -> Iterator[bytes]:
    for thing in things:
        if isinstance(thing, np.ndarray):
            yield thing.tobytes()
        elif isinstance(thing, torch.Tensor) and type(thing) in (torch.Tensor, torch.nn.Parameter):
            yield thing.detach().numpy().tobytes()
        elif isinstance(thing, bytes | bytearray):
            yield bytes(thing)


def holds(things: Iterable[object], canaries: Iterable[bytes]) -> int:
    """How many of the canaries occur in what can be reached."""
    kept = list(blobs(things))
    return sum(any(canary in blob for blob in kept) for canary in canaries)


def windows(array: np.ndarray[Any, Any]) -> list[bytes]:
    """Some runs of entries, as bytes: whoever holds the array, whole or as a row of another, holds them."""
    flat = array.reshape(-1)
    starts = (0, (flat.size - WINDOW) // 2, flat.size - WINDOW)
    return [flat[start : start + WINDOW].tobytes() for start in starts]


def canaries_of_reals(ring: np.ndarray[Any, Any]) -> list[bytes]:
    """A vector in the ring, and decoded in both precisions."""
    reals = decode(ring)
    return [*windows(ring), *windows(reals), *windows(reals.astype(np.float32))]


@dataclass
class Scene:
    """One round, looked into while the validators hold the opened updates and the coordinator the messages."""

    federation: Any
    record: Any = None
    secrets: list[Any] = field(default_factory=list)
    shared: list[Any] = field(default_factory=list)
    components: list[Any] = field(default_factory=list)
    curated: dict[str, list[Any]] = field(default_factory=dict)
    reach: dict[str, list[object]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def play(self, monkeypatch: pytest.MonkeyPatch) -> "Scene":
        share = sharing.share

        def remembering(secret: Any) -> Any:
            self.shared.append(share(secret))
            return self.shared[-1]

        monkeypatch.setattr(submission, "share", remembering)
        # At "attest" the aggregate is open and nothing is forgotten yet.
        self.federation.watcher.at["attest"] = self.look
        self.record = self.federation.play()
        return self

    def look(self) -> None:
        parties = self.federation.parties
        self.secrets = [hospital._secret.copy() for hospital in parties.hospitals]
        self.components = [validator._updates.shares.first.copy() for validator in parties.committee.validators]
        held = [validator._curated for validator in parties.committee.validators]
        self.curated = {what: [getattr(each, what).first.copy() for each in held] for what in ("update", "direction")}
        roles = [parties.coordinator, *parties.committee.validators, *parties.hospitals]
        self.reach = {getattr(role, "name", "coordinator"): reachable(role) for role in roles}
        folder = self.federation.folder.path
        self.files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    @property
    def updates(self) -> list[bytes]:
        return [canary for secret in self.secrets for canary in canaries_of_reals(secret)]

    @property
    def reference(self) -> list[bytes]:
        held: Dataset = self.federation.prepared.split.reference
        onehot = np.eye(len(held.classes), dtype=np.float32)[held.labels]
        labels = [held.labels.tobytes(), onehot.tobytes(), encode(onehot).tobytes()]
        return [*canaries_of_reals(encode(held.features)), *windows(held.features), *labels]

    @property
    def curators(self) -> list[bytes]:
        """What the curator computed, in the clear."""
        return [canary for parts in self.curated.values() for canary in canaries_of_reals(sum(parts))]

    def messages(self) -> dict[str, bytes]:
        """The sealed messages in the coordinator's mailbox, by file."""
        return {name: data for name, data in self.files.items() if name.endswith(".msg") and "reference" not in name}


def scene_of(federation_of: Any) -> Scene:
    with pytest.MonkeyPatch.context() as monkeypatch:
        return Scene(federation_of(hospitals={"count": COUNT})).play(monkeypatch)


@pytest.fixture(scope="module")
def scene(federation_of: Any) -> Scene:
    return scene_of(federation_of)


@pytest.fixture(scope="module")
def same_seed(federation_of: Any) -> Scene:
    return scene_of(federation_of)


def of_type(things: Iterable[object], kind: Any) -> list[Any]:
    return [thing for thing in things if isinstance(thing, kind)]


def private_numbers(things: Iterable[object]) -> set[int]:
    return {key.private_numbers().private_value for key in of_type(things, ec.EllipticCurvePrivateKey)}


def test_the_walk_finds_what_a_party_does_hold(scene: Scene) -> None:
    for index, secret in enumerate(scene.secrets):
        own = scene.reach[f"hospital-{index}"]
        assert holds(own, windows(secret)) == 3
        assert holds(own, windows(scene.federation.prepared.sites[index].dataset.features)) == 3
    for rank in range(3):
        for component in (rank, (rank + 1) % 3):
            for row in scene.components[component]:
                assert holds(scene.reach[f"validator-{rank}"], windows(row)) == 3
    shares = [scene.components[rank] for rank in range(3)]
    assert np.array_equal(shares[0] + shares[1] + shares[2], np.stack(scene.secrets)), "the components are the updates'"


@RANKS
def test_a_validator_reaches_nobody_else(scene: Scene, rank: int) -> None:
    things = scene.reach[f"validator-{rank}"]
    assert [validator.place for validator in of_type(things, Validator)] == [rank]
    assert of_type(things, (Hospital, Site, Dataset, Prepared, Committee, submission.SignedHeader)) == []
    folder = scene.federation.folder.party(f"validator-{rank}")
    assert private_numbers(things) == {
        folder.key(name).private_numbers().private_value for name in ("envelope", "signing")
    }
    assert [account.address for account in of_type(things, Account)] == [folder.account().address]
    assert all(share.rank == rank for share in of_type(things, ReplicatedShare))


@RANKS
def test_a_validator_reaches_no_third_component(scene: Scene, rank: int) -> None:
    things, third = scene.reach[f"validator-{rank}"], (rank + 2) % 3
    for row in scene.components[third]:
        assert holds(things, windows(row)) == 0
    seeds = {0: [shared.seed0 for shared in scene.shared], 1: [shared.seed1 for shared in scene.shared]}
    assert holds(things, seeds.get(third, [])) == 0


@RANKS
def test_a_validator_reaches_no_update_and_no_reference_record(scene: Scene, rank: int) -> None:
    things = scene.reach[f"validator-{rank}"]
    assert holds(things, scene.updates) == 0
    assert holds(things, scene.reference) == 0


def test_the_coordinator_reaches_its_account_and_nothing_to_compute_on(scene: Scene) -> None:
    things = scene.reach["coordinator"]
    folder = scene.federation.folder.party("coordinator")
    assert [account.address for account in of_type(things, Account)] == [folder.account().address]
    secret = (ec.EllipticCurvePrivateKey, np.ndarray, torch.Tensor, ReplicatedShare, Validator, Hospital, Site, Dataset)
    assert of_type(things, secret) == []
    assert holds(things, [*scene.updates, *scene.reference]) == 0
    names = {name for name in scene.files if name.startswith("parties/coordinator/")}
    assert names == {
        "parties/coordinator/account.key",
        "parties/coordinator/mailbox/reference-0-1-2.msg",
        "parties/coordinator/mailbox/1-0/curator.curated",
        *(f"parties/coordinator/mailbox/1-0/{index}.msg" for index in range(COUNT)),
    }


def test_a_hospital_reaches_no_other_hospital(scene: Scene) -> None:
    sites = scene.federation.prepared.sites
    for index in range(COUNT):
        things = scene.reach[f"hospital-{index}"]
        assert [site.index for site in of_type(things, Site)] == [index]
        assert of_type(things, (Validator, Prepared, Committee)) == []
        others = [other for other in range(COUNT) if other != index]
        strange = [canary for other in others for canary in canaries_of_reals(scene.secrets[other])]
        records = [canary for other in others for canary in windows(sites[other].dataset.features)]
        assert holds(things, [*strange, *records, *scene.reference]) == 0
        folder = scene.federation.folder.party(f"hospital-{index}")
        assert private_numbers(things) == {folder.key("signing").private_numbers().private_value}
        assert [account.address for account in of_type(things, Account)] == [folder.account().address]


@RANKS
def test_a_validator_holds_two_components_of_the_curators_part_and_no_third(scene: Scene, rank: int) -> None:
    things = scene.reach[f"validator-{rank}"]
    for parts in scene.curated.values():
        assert holds(things, windows(parts[rank])) == holds(things, windows(parts[(rank + 1) % 3])) == 3
        assert holds(things, windows(parts[(rank + 2) % 3])) == 0


def test_nobody_but_the_curator_reaches_what_it_computed(scene: Scene) -> None:
    assert holds([decode(sum(scene.curated["update"]))], scene.curators) == 3, "the canaries are the curator's update"
    for name, things in scene.reach.items():
        assert holds(things, scene.curators) == 0, name
    for name, data in scene.files.items():
        assert holds([data], scene.curators) == 0, name


@pytest.fixture(scope="module")
def attacked(federation_of: Any) -> Scene:
    """The second round of a study with an attacker, against whom there is evidence that is no round number."""
    attacks = [{"name": "label_flip", "hospitals": [1]}]
    data = {"max_records": None, "reference_per_class": 20}
    defence, model = {"score_slope": 0.7}, {"name": "mlp"}
    federation = federation_of(hospitals={"count": COUNT}, attacks=attacks, data=data, model=model, defence=defence)
    federation.play()
    made = Scene(federation)
    with pytest.MonkeyPatch.context() as monkeypatch:
        made.play(monkeypatch)
    return made


def test_nobody_learns_the_evidence(attacked: Scene) -> None:
    ring = encode(attacked.federation.evidence())
    # Small numbers are everywhere.
    entries = ring[(ring % 2**10 != 0) & (ring > 2**12)]
    assert entries.size
    reals = decode(entries)
    canaries = [entry.tobytes() for each in (entries, reals, reals.astype(np.float32)) for entry in each]
    for name, things in attacked.reach.items():
        assert holds(things, canaries) == 0, name
    for name, data in attacked.files.items():
        assert holds([data], canaries) == 0, name
    files = [path for path in attacked.federation.folder.path.rglob("*") if path.is_file()]
    assert holds([path.read_bytes() for path in files], canaries) == 0
    # The search does find what is there.
    share = attacked.federation.standings()[0].evidence
    components = [share.first.tobytes(), share.second.tobytes()]
    assert holds([path.read_bytes() for path in files], components) == 2


def test_no_file_of_the_run_holds_an_update_a_share_or_a_record(scene: Scene) -> None:
    assert len(scene.messages()) == COUNT
    shares = [canary for shared in scene.shared for canary in (shared.seed0, shared.seed1, *windows(shared.x2))]
    records = [canary for site in scene.federation.prepared.sites for canary in windows(site.dataset.features)]
    for name, data in scene.files.items():
        assert holds([data], [*scene.updates, *shares, *scene.reference, *records]) == 0, name


def test_all_is_forgotten_when_the_round_is_over(scene: Scene) -> None:
    parties, folder = scene.federation.parties, scene.federation.folder.path
    assert [path.name for path in (folder / "parties" / "coordinator" / "mailbox").iterdir()] == ["reference-0-1-2.msg"]
    for hospital in parties.hospitals:
        assert hospital._secret is None
    for rank, validator in enumerate(parties.committee.validators):
        things = reachable(validator)
        curated = [parts[held] for parts in scene.curated.values() for held in (rank, (rank + 1) % 3)]
        for row in (*scene.components[rank], *scene.components[(rank + 1) % 3], *curated):
            assert holds(things, windows(row)) == 0


def keys_on_disk(folder: Path) -> dict[str, int]:
    """Party and file to the private number in it."""
    numbers = {}
    for path in sorted(folder.glob("parties/*/*")):
        if path.suffix == ".key":
            numbers[f"{path.parent.name}/{path.name}"] = int.from_bytes(path.read_bytes(), "big")
        elif path.suffix == ".pem":
            key = private_from_pem(path.read_bytes(), passphrase=None)
            numbers[f"{path.parent.name}/{path.name}"] = key.private_numbers().private_value
    return numbers


def test_every_party_has_keys_of_its_own_that_only_it_may_read(scene: Scene) -> None:
    folder = scene.federation.folder.path
    numbers = keys_on_disk(folder)
    validators, hospitals = [f"validator-{i}" for i in range(3)], [f"hospital-{i}" for i in range(COUNT)]
    others = ("coordinator", "administrator", "auditor")
    accounts = {f"{party}/account.key" for party in (*validators, *hospitals, *others)}
    pems = {f"{party}/signing.pem" for party in (*validators, *hospitals, "curator")}
    pems |= {f"{validator}/envelope.pem" for validator in validators}
    assert set(numbers) == accounts | pems
    assert len(set(numbers.values())) == len(numbers)
    for name in numbers:
        path = folder / "parties" / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def parts_of(message: bytes) -> dict[str, bytes]:
    """What of a message must never occur twice."""
    head, body = split(message, len(message))
    _, header, signature, envelopes = msgpack.unpackb(head)
    parts = {"signature": signature, "body": bytes(body)}
    parts |= {f"commitment {i}": each for i, each in enumerate(msgpack.unpackb(header)[-3:])}
    parts |= {f"ephemeral point {i}": each[1:34] for i, each in enumerate(envelopes)}
    return parts | {f"nonce {i}": each[34:46] for i, each in enumerate(envelopes)}


def test_one_seed_twice_gives_one_model_and_nothing_else_in_common(scene: Scene, same_seed: Scene) -> None:
    runs = (scene, same_seed)
    assert scene.record.model_hash == same_seed.record.model_hash
    assert all(np.array_equal(*secrets) for secrets in zip(scene.secrets, same_seed.secrets, strict=True))

    def distinct(values: Callable[[Scene], Iterable[bytes | int]]) -> bool:
        listed = [value for run in runs for value in values(run)]
        return len(set(listed)) == len(listed)

    assert distinct(lambda run: keys_on_disk(run.federation.folder.path).values())
    assert distinct(lambda run: [run.federation.ledger.study_id(), run.federation.ledger.reference_hash()])
    assert distinct(lambda run: [run.federation.ledger.attempt(1, 0).seed])
    assert distinct(lambda run: run.federation.ledger.attempt(1, 0).submissions.values())
    assert distinct(lambda run: [part for m in run.messages().values() for part in parts_of(m).values()])
    assert distinct(lambda run: [seed for shared in run.shared for seed in (shared.seed0, shared.seed1)])
    assert distinct(lambda run: [row.tobytes() for component in run.components for row in component])
