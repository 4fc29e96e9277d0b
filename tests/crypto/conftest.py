import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

VECTORS = Path(__file__).parent / "vectors"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"crypto_vectors_{name}", VECTORS / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """The slow second implementation."""
    return _load("reference")


@pytest.fixture(scope="session")
def generator(monkeypatch_session: pytest.MonkeyPatch) -> ModuleType:
    """The vectors' generator; it puts its own folder on sys.path, which is undone afterwards."""
    monkeypatch_session.setattr(sys, "path", list(sys.path))
    return _load("generate")


@pytest.fixture(scope="session")
def monkeypatch_session() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch
