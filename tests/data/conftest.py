import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mithridate.data.locate import data_root


@pytest.fixture
def medical(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """The path of a file below MITHRIDATE_DATA; skips where it is absent, and fails so in CI."""
    root = data_root().resolve()
    monkeypatch.setenv("MITHRIDATE_DATA", str(root))

    def find(name: str) -> Path:
        path = root / name
        if not path.exists():
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
                f"needs {name} in MITHRIDATE_DATA ({root})"
            )
        return path

    return find
