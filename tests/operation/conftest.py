"""A consortium provisioned by the steps of production, with its study on a ledger; no participant runs."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mithridate.federation.prepared import Prepared
from mithridate.ledger import keystore as accounts
from mithridate.poc.consortium import Pace, ProvisionedConsortium, provision_consortium
from mithridate.poc.ground import EMBEDDED, start_ground
from mithridate.poc.run import _on
from mithridate.poc.study import poc_study
from mithridate.provisioning import keystore

PASSWORD = "the password of all of them"  # noqa: S105


@pytest.fixture(scope="session")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProvisionedConsortium]:
    folder = tmp_path_factory.mktemp("consortium")
    ground = start_ground(EMBEDDED, folder / "network")
    try:
        with pytest.MonkeyPatch.context() as patch:
            # Guessing these passwords may be cheap.
            patch.setattr(keystore, "KDF_ROUNDS", 1_000)
            patch.setattr(accounts, "SCRYPT_N", 1 << 10)
            prepared = Prepared.of(_on(poc_study(None, 5, ["training.rounds=1"]), ground))
            yield provision_consortium(folder, prepared, ground, PASSWORD, Pace())
    finally:
        ground.stop()


@pytest.fixture
def own(consortium: ProvisionedConsortium, tmp_path: Path) -> Callable[[str], Path]:
    """A participant's kit, in a copy that a test may change."""

    def copy(name: str) -> Path:
        shutil.copytree(consortium.places[name].folder, tmp_path / name, symlinks=True)
        return tmp_path / name / "kit"

    return copy
