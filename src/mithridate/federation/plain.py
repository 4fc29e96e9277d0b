"""Plain federated averaging, or a robust rule in the clear, without cryptography, verification or ledger: the baseline.

Training and averaging are the code of the secure run, so with all hospitals accepted both end with the same bits. A
rule's step is the one on shares, up to the rounding there and to what the rule draws at random.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mithridate.aggregation import aggregators
from mithridate.aggregation.model import next_model
from mithridate.crypto.fixed_point import encode
from mithridate.errors import EncodingError, RoundVoid
from mithridate.evaluation.records import Observer, RoundRecord, append_record, read_records, rewrite_records
from mithridate.federation.collusion import agreed, read_models
from mithridate.federation.dropout import drops
from mithridate.federation.folder import RunFolder
from mithridate.federation.plain_rule import PlainRule, beyond
from mithridate.federation.prepared import Prepared
from mithridate.federation.site import hospital_name
from mithridate.federation.stopwatch import Stopwatch
from mithridate.ledger.store import ModelStore, study_store
from mithridate.models.files import from_safetensors, to_safetensors
from mithridate.verification.verdict import Rule

_MEMORY = "rule_memory"


def run_plain(prepared: Prepared, folder: RunFolder, observer: Observer) -> None:
    """All rounds that the folder's records do not hold yet."""
    study, records = prepared.study, []
    store = study_store(study.store.url, folder.models, study.configuration_hash())
    if folder.records.exists():
        records = read_records(folder.path)
        rewrite_records(folder.path, records)
    if not records:
        digest = store.put(to_safetensors(prepared.initial, prepared.layout))
        records = [prepared.initial_record(digest)]
        append_record(folder.path, records[0])
        observer.round_done(records[0])
    for round_number in range(records[-1].round + 1, study.training.rounds + 1):
        models = [str(record.model_hash) for record in records]
        record = _round(prepared, store, folder.path / _MEMORY, models, round_number, observer)
        records.append(record)
        append_record(folder.path, record)
        observer.round_done(record)


def _round(
    prepared: Prepared, store: ModelStore, memory: Path, models: list[str], number: int, observer: Observer
) -> RoundRecord:
    watch = Stopwatch(number, observer)
    base = models[-1]
    vector = from_safetensors(store.get(base), prepared.layout)
    earlier = read_models(store, prepared.layout, models, base) if _attacked(prepared, number) else ()
    trained: dict[int, npt.NDArray[np.float64]] = {}
    notes: dict[str, str] = {}

    def train(index: int) -> None:
        try:
            trained[index] = prepared.sites[index].update(vector, number, 0, earlier)
        except EncodingError as error:
            notes[hospital_name(index)] = str(error)
        observer.hospital_done(number, hospital_name(index))

    present = [site.index for site in prepared.sites if not _drops_out(prepared, site.index, number)]
    with watch.phase("train"):
        prepared.at_each_site(train, present)
        colluders = [site for site in prepared.sites if site.index in trained and site.colludes(number)]
        trained |= agreed(colluders, trained, vector, earlier, number, len(prepared.sites))
        updates = _encoded(trained, notes)
    rejected = beyond(updates, prepared.bounds) if prepared.study.aggregation.robust else []
    model, reason = vector, None
    with watch.phase("aggregate"):
        try:
            accepted = {index: update for index, update in updates.items() if index not in rejected}
            model = _aggregate(prepared, memory, vector, number, accepted)
        except RoundVoid as error:
            reason = str(error)
        digest = store.put(to_safetensors(model, prepared.layout))
    seconds = watch.seconds()
    return RoundRecord(
        round=number,
        base_hash=base,
        model_hash=digest,
        status="released" if reason is None else "void",
        reason=reason,
        hospitals=len(prepared.sites),
        trained=len(updates),
        submitted=len(updates),
        verdicts=_verdicts(prepared, updates, rejected),
        notes=notes,
        seconds=seconds,
        **prepared.measure(model),
    )


def _attacked(prepared: Prepared, number: int) -> bool:
    return any(site.colludes(number) for site in prepared.sites)


def _encoded(trained: dict[int, npt.NDArray[np.float64]], notes: dict[str, str]) -> dict[int, npt.NDArray[np.uint64]]:
    updates = {}
    for index, update in trained.items():
        try:
            updates[index] = encode(update)
        except EncodingError as error:
            notes[hospital_name(index)] = str(error)
    return updates


def _drops_out(prepared: Prepared, hospital: int, number: int) -> bool:
    # Without commitments it makes no difference when a hospital leaves.
    return any(drops(prepared.study, when, hospital, number, 0) for when in ("before", "after"))


def _verdicts(prepared: Prepared, sent: Collection[int], rejected: Collection[int]) -> dict[str, str]:
    rules = {site.name: Rule.ACCEPTED if site.index in sent else Rule.ABSENT for site in prepared.sites}
    rules |= {hospital_name(index): Rule.NORM for index in rejected}
    return {name: rule.word for name, rule in rules.items()}


def _aggregate(
    prepared: Prepared,
    memory: Path,
    base: npt.NDArray[np.float32],
    number: int,
    updates: dict[int, npt.NDArray[np.uint64]],
) -> npt.NDArray[np.float32]:
    if not updates:
        raise RoundVoid("no hospital sent an update")
    if prepared.study.aggregation.robust:
        step = PlainRule(prepared, memory).step(base, number, updates)
        return next_model(base, encode(step).view(np.int64))
    return _average(prepared, base, updates)


def _average(
    prepared: Prepared, base: npt.NDArray[np.float32], updates: dict[int, npt.NDArray[np.uint64]]
) -> npt.NDArray[np.float32]:
    members = sorted(updates)
    weights = [len(prepared.sites[index].dataset) for index in members]
    aggregator = aggregators.get(prepared.study.aggregation.linear)
    total = aggregator.combine(np.stack([updates[index] for index in members]), weights)
    return next_model(base, aggregator.finish(total.view(np.int64), weights))
