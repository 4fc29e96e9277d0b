import numpy as np
import pytest
import spu
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from spu import libspu

from mithridate.mpc import spu_values
from mithridate.mpc.session import runtime_config
from mithridate.mpc.shares import reconstruct, share_locally
from mithridate.mpc.spu_values import Encoding, from_spu, to_spu

EXTREMES = np.array([0, 1, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)
IO = spu.Io(3, runtime_config())


@settings(max_examples=30)
@given(
    hnp.arrays(
        np.uint64, hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=5), elements=st.integers(0, 2**64 - 1)
    ),
    st.sampled_from(Encoding),
)
def test_round_trip_is_exact(secret: np.ndarray, encoding: Encoding) -> None:
    shares = share_locally(secret)
    back = [from_spu(to_spu(share, encoding), share.rank) for share in shares]
    for share, copy in zip(shares, back, strict=True):
        assert copy.first.shape == secret.shape
        assert np.array_equal(copy.first, share.first)
        assert np.array_equal(copy.second, share.second)
    assert np.array_equal(reconstruct(back), secret)


def test_spu_reconstructs_our_integers() -> None:
    opened = IO.reconstruct([to_spu(share, Encoding.INTEGER) for share in share_locally(EXTREMES)])
    assert np.array_equal(opened.view(np.uint64), EXTREMES)


def test_spu_reconstructs_our_fixed_point() -> None:
    values = np.array([[0.0, -1.5], [2.0**-18, 123.25]])
    ring = (values * 2**18).astype(np.int64).view(np.uint64)
    assert np.array_equal(IO.reconstruct([to_spu(share) for share in share_locally(ring)]), values)


def test_we_reconstruct_spu_shares() -> None:
    values = np.array([[0.0, -1.5, 2.0**-18]], np.float32)
    shares = IO.make_shares(values, libspu.Visibility.VIS_SECRET)
    opened = reconstruct([from_spu(share, rank) for rank, share in enumerate(shares)])
    assert np.array_equal(opened.view(np.int64), (values * 2**18).astype(np.int64))


def test_large_values_travel_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spu_values, "CHUNK_BYTES", 24)
    shares = share_locally(EXTREMES)
    values = [to_spu(share, Encoding.INTEGER) for share in shares]
    assert len(values[0].share_chunks) == 4
    assert np.array_equal(IO.reconstruct(values).view(np.uint64), EXTREMES)
    assert np.array_equal(reconstruct([from_spu(value, rank) for rank, value in enumerate(values)]), EXTREMES)


def test_binary_shares_are_refused() -> None:
    bits = IO.make_shares(np.array([True, False]), libspu.Visibility.VIS_SECRET)
    with pytest.raises(ValueError, match="BShr"):
        from_spu(bits[0], 0)
