"""Three validators in memory, updates made up, and a real task: breast cancer among ten hospitals."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from torch import nn

from mithridate.crypto.fixed_point import clip_l2, encode
from mithridate.data.dataset import Dataset
from mithridate.data.split import Split, load_split
from mithridate.models.build import build_model
from mithridate.models.parameters import quantise, to_vector
from mithridate.mpc.linear import ZeroSharing, gram, open_share, products, reshare
from mithridate.mpc.links import memory_links
from mithridate.mpc.peers import memory_peers
from mithridate.mpc.projection import project, ternary_rows
from mithridate.mpc.session import Integer, Session
from mithridate.mpc.shares import share_locally
from mithridate.study import Study
from mithridate.training.together import Lane, train_together
from mithridate.verification.curation import direction_of_use, lessons
from mithridate.verification.gates import UpdateGates, rules_in_plaintext
from mithridate.verification.pipeline import Pipeline, Standing
from mithridate.verification.registry import Bounds
from mithridate.verification.verdict import Rule

SEED = b"v" * 32
Step = Callable[[Any, Session, ZeroSharing], Any]
Committee = Callable[[Step], list[Any]]
Outcome = tuple[tuple[Rule, ...], np.ndarray]


@pytest.fixture(scope="session")
def committee() -> Iterator[Committee]:
    """Runs a step at the three validators and returns their results."""
    peers, links = memory_peers(timeout=60), memory_links(receive_timeout_s=60)
    sessions = [Session(link) for link in links]
    with ThreadPoolExecutor(3) as pool:
        zeros = list(pool.map(ZeroSharing, peers))
        yield lambda step: list(pool.map(lambda rank: step(peers[rank], sessions[rank], zeros[rank]), range(3)))


def honest(n: int, length: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit updates (n, length) with cosines around 0.6 to each other, and the unit direction that they share."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=length)
    updates = common + 0.8 * rng.normal(size=(n, length))
    return updates / np.linalg.norm(updates, axis=1, keepdims=True), common / np.linalg.norm(common)


@pytest.fixture(scope="session")
def honest_updates() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    return honest


def plaintext(gates: UpdateGates, updates: np.ndarray, direction: Any = None, evidence: Any = None) -> Outcome:
    """The gates in the clear, on ring updates int64 (n, d)."""
    rows = np.concatenate(list(ternary_rows(SEED, updates.shape[1])), axis=1).astype(np.int64)
    return rules_in_plaintext(gates, updates, rows, direction, evidence)


@pytest.fixture(scope="session")
def in_plaintext() -> Callable[..., Outcome]:
    return plaintext


@pytest.fixture(scope="session")
def on_shares(committee: Committee) -> Callable[..., Outcome]:
    """The gates on shares, on the same."""

    def judged(gates: UpdateGates, updates: np.ndarray, direction: np.ndarray, evidence: np.ndarray) -> Outcome:
        secret, towards = share_locally(updates.view(np.uint64)), share_locally(encode(direction[None]))
        before = share_locally(encode(evidence))

        def step(peers: Any, session: Session, zeros: ZeroSharing) -> Outcome:
            rank = peers.rank
            inner = reshare(gram(secret[rank]), zeros, peers)
            directed = reshare(products(secret[rank], towards[rank]).reshape(-1), zeros, peers)
            factors = gates.factors(len(updates))
            inputs = [Integer(project(secret[rank], SEED)), Integer(inner), inner, directed, before[rank], factors]
            codes, after = session.run(gates, inputs)
            rules = tuple(Rule(int(code)) for code in open_share(codes, peers))
            return rules, open_share(after, peers).view(np.int64) / 2.0**18

        outcomes = committee(step)
        assert len({rules for rules, _ in outcomes}) == 1
        return outcomes[0]

    return judged


@dataclass(frozen=True)
class Task:
    """A study on real records, a round at a time.

    Args:
        study: its settings.
        split: its records.
        module: the architecture.
        base: of its next round, float32 (d,).
    """

    study: Study
    split: Split
    module: nn.Module
    base: np.ndarray

    def trained(self, datasets: Sequence[Dataset], number: int) -> np.ndarray:
        """The updates float64 (n, d) that training on each gives, within the study's L2 bound."""
        lanes = [Lane(self.base, records, seed=100 * number + index) for index, records in enumerate(datasets)]
        moved = train_together(self.module, lanes, self.study.training).astype(np.float64) - self.base
        return np.stack([clip_l2(update, self.study.clipping.norm) for update in moved])

    def curated(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The direction of use, and the curator's updates, of round `number`: taught, the two halves', the pushes."""
        own = self.trained(lessons(self.split.reference, None, np.random.default_rng(number)), number)
        direction = direction_of_use(self.module, self.base, self.split.reference, own[1:3], list(own[3:]))
        return direction, own

    def flipped(self, hospitals: Sequence[int]) -> list[Dataset]:
        """All hospitals' records, the labels of some flipped."""
        return [flip(records) if index in hospitals else records for index, records in enumerate(self.split.hospitals)]

    def pipeline(self) -> Pipeline:
        records = tuple(len(records) for records in self.split.hospitals)
        bounds = Bounds.of(self.study.clipping.norm)
        return Pipeline(self.study.defence, bounds, records, self.module, self.split.reference)

    def moved(self, step: np.ndarray) -> "Task":
        """The same at its next round."""
        return replace(self, base=quantise((self.base + step).astype(np.float32)))

    def standing(self) -> Standing:
        return Standing.of(len(self.split.hospitals))


def flip(records: Dataset) -> Dataset:
    return replace(records, labels=len(records.classes) - 1 - records.labels)


@pytest.fixture(scope="session")
def flip_labels() -> Callable[[Dataset], Dataset]:
    return flip


@pytest.fixture(scope="session")
def make_task() -> Callable[..., Task]:
    """Breast cancer among ten hospitals at its first round; keywords are the study's sections."""

    def make(**sections: Any) -> Task:
        table = {"name": "task", "seed": 3, "model": {"name": "mlp"}, "hospitals": {"count": 10}, **sections}
        study = Study.model_validate(table)
        split = load_split(study)
        module = build_model(study.model.name, split.reference.shape, len(split.reference.classes), seed=study.seed)
        return Task(study, split, module, to_vector(module))

    return make
