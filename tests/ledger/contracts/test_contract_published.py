"""What is published of the contracts is what the compiler writes, and every party notices what is not."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mithridate.errors import LedgerError
from mithridate.ledger.compile import MAX_CODE_BYTES, compiled, contract
from mithridate.ledger.deployment import ATTACHED, CONTRACTS, Deployment, StudyTerms, check, deploy
from mithridate.ledger.rules import SENTENCES

World = Any
ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "src/mithridate/ledger/contracts"
DOCUMENT = ROOT / "docs/contracts.md"


def section(name: str) -> str:
    """A contract's part of the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return text.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize("name", CONTRACTS)
def test_what_is_published_is_what_the_compiler_writes(name: str) -> None:
    published = (SOURCES / f"{name}.json").read_bytes()
    assert published == compiled(name), "run python -m mithridate.ledger.compile"
    assert contract(name).sha256 == hashlib.sha256(published).hexdigest()
    assert len(contract(name).runtime_code) <= MAX_CODE_BYTES == 24_576


def test_every_contract_of_the_folder_is_deployed() -> None:
    assert {path.stem for path in SOURCES.glob("*.vy")} == set(CONTRACTS)


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_document_tells_the_published_hash_and_every_function_event_and_reason(name: str) -> None:
    text = section(name)
    assert f"`{contract(name).sha256}`" in text, "run python -m mithridate.ledger.compile, then mend docs/contracts.md"
    assert f" {len(contract(name).runtime_code):,} bytes of code." in text
    for entry in contract(name).abi:
        if entry["type"] == "event" or (entry.get("stateMutability") == "nonpayable" and "name" in entry):
            assert f"`{entry['name']}" in text, entry["name"]
    source = (SOURCES / f"{name}.vy").read_text(encoding="utf-8")
    for reason in re.findall(r'^\s*(?:assert .*, |raise )"([^"]+)"$', source, re.MULTILINE):
        assert reason in text, reason
        assert reason in SENTENCES


def test_a_study_as_deployed_passes_the_check(begun: World) -> None:
    check(begun.ledger._network, begun.ledger.deployment)


@pytest.mark.parametrize("name", CONTRACTS)
def test_other_code_is_refused_by_name(world: World, name: str) -> None:
    other = "Reputation" if name != "Reputation" else "Access"
    addresses = dict(world.ledger.deployment.addresses) | {name: world.addresses[other]}
    with pytest.raises(LedgerError, match=f"the contract {name} at .* is not this version's"):
        check(world.ledger._network, Deployment(addresses))


@pytest.mark.parametrize("name", CONTRACTS)
def test_an_address_without_a_contract_is_refused(world: World, name: str) -> None:
    addresses = dict(world.ledger.deployment.addresses) | {name: world.address("stranger")}
    with pytest.raises(LedgerError, match=f"the contract {name} at .* is not this version's"):
        check(world.ledger._network, Deployment(addresses))


@pytest.mark.parametrize("name", CONTRACTS)
def test_another_studys_contract_is_refused(world: World, name: str) -> None:
    administrator = world.account("administrator-0")
    others = deploy(world.ledger._network, administrator, replace(world.terms, configuration=bytes([9]) * 32))
    addresses = dict(world.ledger.deployment.addresses) | {name: others.addresses[name]}
    with pytest.raises(LedgerError, match=r"the contract .* obeys 0x.*, not this study's"):
        check(world.ledger._network, Deployment(addresses))
    check(world.ledger._network, others)


@pytest.mark.parametrize("name", ATTACHED)
def test_a_contract_not_yet_attached_is_refused(world: World, name: str) -> None:
    asking = (world.addresses["Consortium"],)
    arguments = {"Models": (*asking, False), "Committees": asking, "Notices": asking}
    loose = world.put(name, *arguments.get(name, ()))
    addresses = dict(world.ledger.deployment.addresses) | {name: loose}
    with pytest.raises(LedgerError, match=f"the contract {name} obeys 0x0{{40}}, not this study's Study"):
        check(world.ledger._network, Deployment(addresses))


def test_a_study_with_impossible_terms_leaves_nothing_behind(make_world: Callable[..., World], tmp_path: Path) -> None:
    with pytest.raises(LedgerError):
        make_world(threshold=4)
    assert list(tmp_path.iterdir()) == []
    assert StudyTerms.__dataclass_fields__["threshold"].default == 1
