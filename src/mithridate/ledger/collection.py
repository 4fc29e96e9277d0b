"""Garbage collection of a model store: what the ledger names stays, and so does whatever is young."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from mithridate.errors import InputError
from mithridate.ledger.interface import Ledger
from mithridate.ledger.store import Entry, ModelStore, name_of
from mithridate.ledger.verify import attempts

YOUNGEST_S = 3600
"""Least age of what may be removed, in seconds: a model is stored before it is attested."""


@dataclass(frozen=True)
class Collected:
    """What a collection did, or would do.

    Args:
        removed: names of models and drafts.
        removed_bytes: of all of them together.
        kept: models that the ledger names.
        young: models and drafts that nothing names, too young to be removed.
        foreign: objects that the store did not write; never removed.
    """

    removed: tuple[str, ...]
    removed_bytes: int
    kept: int
    young: int
    foreign: int


def named_models(ledger: Ledger) -> frozenset[str]:
    """The hashes, in hexadecimal, of every model that a ledger names.

    Those are the initial, current and stable one, the base of every attempt, and whatever any validator attested,
    whether a majority agreed or not.

    Raises:
        RuleViolation: the study has not begun, so that nothing is named yet.
    """
    named = {ledger.initial_model(), ledger.current_model(), ledger.stable_model()}
    for state in attempts(ledger):
        named |= {state.base_hash, *state.attestations.values()}
        if state.model_hash is not None:
            named.add(state.model_hash)
    return frozenset(digest.hex() for digest in named)


def collect(
    store: ModelStore, keep: Iterable[str], *, older_than: float, now: float | None = None, dry_run: bool = False
) -> Collected:
    """Removes the models that nothing names and the drafts that crashes left, once they are old enough.

    The store must be one study's alone: another's models would not be in `keep`. What is written while this runs is
    young, so it stays.

    Args:
        keep: hashes in hexadecimal, at least one.
        older_than: seconds since an object was last written, at least `YOUNGEST_S`.
        now: seconds since 1970; None takes the clock. It is compared with the store's own times.
        dry_run: say what would be removed, and remove nothing.

    Raises:
        InputError: `keep` is empty or `older_than` too short.
        ModelAltered: `keep` holds something that is no hash.
        StoreError: the store cannot be read or written; what was removed until then nothing named.
    """
    names = {name_of(digest) for digest in keep}
    if not names:
        raise InputError("nothing is to be kept, yet every ledger names a model: this would empty the store")
    if not older_than >= YOUNGEST_S:
        raise InputError(
            f"only what is older than {YOUNGEST_S} s may be removed: a model is stored before it is attested"
        )
    before = (time.time() if now is None else now) - older_than
    entries = list(store.entries())
    kept = [entry for entry in entries if entry.name in names]
    unnamed = [entry for entry in entries if entry.name not in names and (entry.digest or entry.is_draft)]
    removed = [entry for entry in unnamed if _take(store, entry, before, dry_run=dry_run)]
    return Collected(
        removed=tuple(entry.name for entry in removed),
        removed_bytes=sum(entry.size for entry in removed),
        kept=len(kept),
        young=len(unnamed) - len(removed),
        foreign=len(entries) - len(kept) - len(unnamed),
    )


def _take(store: ModelStore, entry: Entry, before: float, *, dry_run: bool) -> bool:
    if not dry_run:
        return store.remove(entry, before=before)
    written = store.modified(entry)
    return written is not None and written < before
