"""What the networked Flower run is told: settings that we write and that its server and clients read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mithridate.study import Study, load_study


@dataclass(frozen=True)
class FlowerRun:
    """One networked run.

    Args:
        study: resolved study file, which both runtimes read.
        out: where the server writes when each round ended.
        rounds: to play.
        clients: SuperNodes.
        secure: SecAgg+ rather than plain FedAvg.
        shares: of SecAgg+.
        threshold: of SecAgg+.
    """

    study: str
    out: str
    rounds: int
    clients: int
    secure: bool
    shares: int
    threshold: int

    @classmethod
    def of(cls, run_config: Mapping[str, Any]) -> "FlowerRun":
        """From a Flower context's run settings."""
        return cls(**{name: run_config[name] for name in cls.__dataclass_fields__})

    def to_config(self) -> dict[str, Any]:
        """As `pyproject.toml` of the app holds it."""
        return asdict(self)

    def load(self) -> Study:
        """The study."""
        return load_study(Path(self.study))
