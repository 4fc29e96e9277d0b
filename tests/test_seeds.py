import hashlib

import pytest

from mithridate.seeds import derive_seed


def test_is_the_first_63_bits_of_sha256_over_canonical_json() -> None:
    digest = hashlib.sha256(b'[7,"training",3]').digest()
    assert derive_seed(7, "training", 3) == int.from_bytes(digest[:8], "big") >> 1


@pytest.mark.parametrize("other", [(8, "a", 1), (7, "b", 1), (7, "a", 2), (7, "a", "1"), (7, "a"), (7, "a", 1, 1)])
def test_any_difference_in_the_purpose_gives_another_seed(other: tuple[int, str]) -> None:
    assert derive_seed(*other) != derive_seed(7, "a", 1)


def test_fits_numpy_and_torch() -> None:
    assert all(0 <= derive_seed(seed, "x") < 2**63 for seed in range(1000))
