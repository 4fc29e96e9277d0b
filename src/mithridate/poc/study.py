"""The proof of concept's study: the user's own, or breast cancer data with two of five hospitals malicious."""

from collections.abc import Sequence
from pathlib import Path

from mithridate.errors import InputError
from mithridate.evaluation.demo import demo_study
from mithridate.study import Study, load_study

LEAST, MOST = 5, 100
ROUNDS = 3
DEADLINE_S = 120


def poc_study(file: Path | None, hospitals: int, settings: Sequence[str]) -> Study:
    """The study to run.

    Args:
        file: the user's; None for the default.
        hospitals: how many, if the default is taken.
        settings: overrides, as of `load_study`.

    Raises:
        InputError: too few or too many hospitals.
        StudyError: the file or an override is wrong.
    """
    if file is not None:
        return load_study(file, settings)
    if not LEAST <= hospitals <= MOST:
        raise InputError(f"--hospitals {hospitals}: choose {LEAST} to {MOST}")
    with demo_study() as default:
        return load_study(default, [*_defaults(hospitals), *settings])


def _defaults(hospitals: int) -> list[str]:
    malicious = max(1, hospitals * 2 // 5)
    flipping = list(range(malicious))
    return [
        'name="proof-of-concept"',
        f"hospitals.count={hospitals}",
        f"training.rounds={ROUNDS}",
        f"runtime.deadline_seconds={DEADLINE_S}",
        f"attacks.0.hospitals={flipping}",
        f"attacks.1.hospitals={flipping[:1]}",
        f"attacks.2.hospitals={flipping[:1]}",
    ]
