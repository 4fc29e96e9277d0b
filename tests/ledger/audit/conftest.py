"""Studies whose chain breaks a rule that the rulebook keeps: contracts altered and compiled anew."""

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from mithridate.ledger.audit.procedure import ChainAudit, audit_chain
from mithridate.ledger.chronicle_embedded import JournalChronicle
from mithridate.ledger.codec import ContractCodec
from mithridate.ledger.compile import PublishedContract, contract
from mithridate.ledger.reading import Interface

Scene = Any
Altered = Callable[[str, str, str], None]


@pytest.fixture
def altered(monkeypatch: pytest.MonkeyPatch) -> Altered:
    """Puts another contract in the place of a published one, as if its authors had made a mistake."""

    def alter(name: str, before: str, after: str) -> None:
        from vyper import compile_code
        from vyper.compiler.settings import Settings

        source = files("mithridate.ledger").joinpath("contracts", f"{name}.vy").read_text()
        assert before in source
        formats = ["abi", "bytecode", "bytecode_runtime"]
        settings = Settings(evm_version="london")
        made = compile_code(source.replace(before, after), output_formats=formats, settings=settings)
        creation, runtime = (bytes.fromhex(made[key].removeprefix("0x")) for key in formats[1:])
        abi = tuple(json.loads(json.dumps(made["abi"])))
        other = PublishedContract(abi, creation, runtime, "")
        for module in ("deployment", "reading", "codec"):
            monkeypatch.setattr(
                f"mithridate.ledger.{module}.contract", lambda wanted: other if wanted == name else contract(wanted)
            )
        ContractCodec.of.cache_clear()
        Interface.of.cache_clear()

    yield alter
    ContractCodec.of.cache_clear()
    Interface.of.cache_clear()


@pytest.fixture
def audited() -> Callable[[Path], ChainAudit]:
    def run(path: Path) -> ChainAudit:
        chronicle = JournalChronicle(path)
        try:
            return audit_chain(chronicle)
        finally:
            chronicle.close()

    return run
