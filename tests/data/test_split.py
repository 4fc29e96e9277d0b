from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mithridate.data import Dataset, load_split, split
from mithridate.data.preprocessing import CLIP
from mithridate.data.split import Split
from mithridate.errors import DataError
from mithridate.study import Study


def study(seed: int = 0, count: int = 3, **data: Any) -> Study:
    data = {"name": "digits", **data}
    return Study.model_validate(
        {"name": "x", "seed": seed, "data": data, "hospitals": {"count": count}, "aggregation": {"min_accepted": 2}}
    )


def numbered(labels: npt.NDArray[Any], classes: int) -> Dataset:
    """Images whose first pixel is the record's number, so that a record can be traced."""
    images = np.zeros((len(labels), 1, 4, 4), np.float32)
    images[:, 0, 0, 0] = np.arange(len(labels))
    return Dataset(images, labels.astype(np.int64), tuple("abcdefgh"[:classes]), "image")


def numbers(part: Dataset) -> list[int]:
    return [int(number) for number in part.features[:, 0, 0, 0]]


def parts(result: Split) -> list[Dataset]:
    return [result.test, result.reference, *result.hospitals]


@given(
    counts=st.lists(st.integers(12, 60), min_size=2, max_size=4),
    share=st.sampled_from([0.05, 0.2, 0.5, 0.9]),
    seed=st.integers(0, 50),
)
@settings(max_examples=50, deadline=None)
def test_parts_are_disjoint_cover_all_and_hold_every_class(counts: list[int], share: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    dataset = numbered(np.random.default_rng(seed).permutation(labels), len(counts))
    if len(dataset) * (1 - share) < 5 * len(counts) + 10:
        return
    sizes = [max(5, round(5 * len(counts) * count / sum(counts))) for count in counts]
    if any(count < size + 2 for count, size in zip(counts, sizes, strict=True)):
        return
    result = split(dataset, study(seed, test_share=share, reference_per_class=5))
    found = [number for part in parts(result) for number in numbers(part)]
    assert sorted(found) == list(range(len(dataset)))
    assert result.reference.class_counts().tolist() == sizes
    expected = [min(max(1, round(count * share)), count - size - 1) for count, size in zip(counts, sizes, strict=True)]
    assert result.test.class_counts().tolist() == expected
    assert all(
        dataset.labels[n] == label
        for part in parts(result)
        for n, label in zip(numbers(part), part.labels, strict=True)
    )


def test_the_seed_decides_every_part() -> None:
    dataset = numbered(np.arange(200) % 2, 2)
    one, same, other = (split(dataset, study(seed)) for seed in (1, 1, 2))
    assert [numbers(part) for part in parts(one)] == [numbers(part) for part in parts(same)]
    assert all(numbers(a) != numbers(b) for a, b in zip(parts(one), parts(other), strict=True))


def test_held_out_records_do_not_depend_on_the_partition() -> None:
    dataset = numbered(np.arange(200) % 2, 2)
    one, other = (split(dataset, study(count=count, partition=name)) for count, name in ((3, "iid"), (5, "dirichlet")))
    assert numbers(one.test) == numbers(other.test)
    assert numbers(one.reference) == numbers(other.reference)


def test_max_records_keeps_the_classes_proportions() -> None:
    dataset = numbered(np.repeat([0, 1], [600, 200]), 2)
    result = split(dataset, study(max_records=200, reference_per_class=5))
    counts = sum(part.class_counts() for part in parts(result))
    assert np.asarray(counts).tolist() == [150, 50]


def test_one_class_only() -> None:
    with pytest.raises(DataError, match=r"two classes or more; there are 50, all of \['b'\]"):
        split(numbered(np.ones(50), 2), study())


def test_too_few_records_of_a_class_at_the_boundary() -> None:
    dataset = numbered(np.repeat([0, 1], [100, 7]), 2)
    assert split(dataset, study()).test.class_counts()[1] == 1
    with pytest.raises(DataError, match=r"class 'b' has 6 records: too few for 5 in the reference set"):
        split(dataset.take(list(range(106))), study())


def test_the_reference_keeps_the_classes_proportions() -> None:
    dataset = numbered(np.repeat([0, 1], [750, 250]), 2)
    assert split(dataset, study()).reference.class_counts().tolist() == [30, 10]


def test_a_hospital_without_records_is_named() -> None:
    dataset = numbered(np.arange(14) % 2, 2)
    with pytest.raises(DataError, match="hospital-"):
        split(dataset, study(count=10, reference_per_class=5))


def test_tables_are_standardised_by_the_reference_only() -> None:
    result = load_split(study(count=4, name="breast_cancer"))
    # Not exactly 0: values far out are clipped after it.
    np.testing.assert_allclose(result.reference.features.mean(axis=0), 0.0, atol=0.1)
    assert len(result.test) == round(212 * 0.2) + round(357 * 0.2)
    assert sum(len(part) for part in parts(result)) == 569
    assert all(np.abs(part.features).max() <= CLIP for part in parts(result))
