"""A consortium whose participants have keys and certificates; the keys take seconds, so they are made once."""

from pathlib import Path

import pytest

from mithridate.provisioning.authority import Authority, new_authority
from mithridate.provisioning.consortium import Consortium, parse_consortium
from mithridate.provisioning.keys import ParticipantKeys, new_keys
from mithridate.provisioning.kit import Contents, write_kits
from mithridate.provisioning.request import make_request, read_request

WORDS = "a password for tests"
FILE = """\
consortium: breast-cancer
participants:
  - {name: coordinator, role: coordinator, organisation: university, host: localhost, port: 18402}
  - {name: validator-1, role: validator, organisation: university, host: localhost, port: 19001,
     node: "http://127.0.0.1:8541"}
  - {name: validator-2, role: validator, organisation: ministry, host: localhost, port: 19002,
     node: "http://127.0.0.1:8542"}
  - {name: validator-3, role: validator, organisation: patients, host: localhost, port: 19003}
  - {name: hospital-1, role: hospital, organisation: clinic_1, node: "http://127.0.0.1:8545"}
  - {name: hospital-2, role: hospital, organisation: clinic_2}
  - {name: curator, role: curator, organisation: society}
  - {name: auditor, role: auditor, organisation: court}
  - {name: registrar, role: administrator, organisation: university, email: registrar@university.example}
"""


@pytest.fixture(scope="session")
def consortium_text() -> str:
    return FILE


@pytest.fixture(scope="session")
def consortium() -> Consortium:
    return parse_consortium(FILE.encode(), "consortium.yml")


@pytest.fixture(scope="session")
def keys(consortium: Consortium) -> dict[str, ParticipantKeys]:
    return {participant.name: new_keys() for participant in consortium.participants}


@pytest.fixture
def consortium_file(tmp_path: Path) -> Path:
    file = tmp_path / "consortium.yml"
    file.write_text(FILE, encoding="utf-8")
    return file


@pytest.fixture
def empty_authority(tmp_path: Path, consortium_file: Path) -> Authority:
    """Before anyone enrolled."""
    return new_authority(tmp_path / "authority", consortium_file, WORDS)


@pytest.fixture
def authority(empty_authority: Authority, keys: dict[str, ParticipantKeys]) -> Authority:
    """After everyone enrolled."""
    after = empty_authority
    for participant in after.consortium.participants:
        request = make_request(after.consortium, participant, keys[participant.name])
        after, _ = after.sign(read_request(request))
    return after


@pytest.fixture
def kits(authority: Authority, tmp_path: Path) -> dict[str, Path]:
    return write_kits(authority, tmp_path / "kits", Contents())
