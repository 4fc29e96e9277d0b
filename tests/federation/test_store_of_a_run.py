"""A run whose models lie in an S3 bucket: the whole study, its verification, and what collecting garbage leaves."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mithridate.errors import ModelAltered
from mithridate.evaluation.records import read_records
from mithridate.federation.local import run_study
from mithridate.ledger.collection import collect, named_models
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.store import study_store
from mithridate.ledger.verify import run_store, verify_run
from mithridate.study import Study


def test_a_secure_run_keeps_its_models_in_the_bucket(s3: str, study_of: Callable[..., Study], tmp_path: Path) -> None:
    run = run_study(study_of(store={"url": f"{s3}/runs"}, training={"rounds": 1}), tmp_path / "run").run
    assert not (run / "models").exists()
    assert len(verify_run(run)) == 4
    ledger = EmbeddedLedger.open(run / "ledger.sqlite")
    store, named = run_store(run, ledger.reader), named_models(ledger.reader)
    current = ledger.current_model().hex()
    assert str(store) == f"{s3}/runs/{ledger.reader.study_id().hex()}"
    ledger.close()
    unnamed = store.put(save({"weights": np.zeros(4, dtype="<f4")}))
    done = collect(store, named, older_than=3600, now=time.time() + 7200)
    assert done.removed == (f"{unnamed}.safetensors",)
    assert {entry.digest for entry in store.entries()} == named
    assert len(verify_run(run)) == 4
    (entry,) = (entry for entry in store.entries() if entry.digest == current)
    store.remove(entry, before=time.time() + 7200)
    with pytest.raises(ModelAltered, match=current):
        verify_run(run)


def test_a_plain_run_keeps_its_models_in_the_bucket(s3: str, study_of: Callable[..., Study], tmp_path: Path) -> None:
    study = study_of(store={"url": f"{s3}/plain"}, runtime={"secure": False})
    run = run_study(study, tmp_path / "run").run
    assert not (run / "models").exists()
    store = study_store(study.store.url, run / "models", study.configuration_hash())
    hashes = {str(record.model_hash) for record in read_records(run)}
    assert {hashlib.sha256(store.get(digest)).hexdigest() for digest in hashes} == hashes
    assert len(hashes) == 3
