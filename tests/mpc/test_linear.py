import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mithridate.errors import MessageError, RoundVoid, TamperingDetected
from mithridate.mpc.linear import ZeroSharing, gram, open_share, products, reshare
from mithridate.mpc.peers import MemoryPeers, memory_peers
from mithridate.mpc.projection import ROWS, project, range_bound, ternary_rows
from mithridate.mpc.shares import ReplicatedShare, reconstruct, share_locally

EXTREMES = [0, 1, 2**18, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 2**18, 2**64 - 1]
ring_elements = st.one_of(st.sampled_from(EXTREMES), st.integers(0, 2**64 - 1))


def matrices(max_rows=4, max_columns=9):
    shapes = st.tuples(st.integers(1, max_rows), st.integers(1, max_columns))
    return shapes.flatmap(
        lambda shape: st.lists(ring_elements, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]).map(
            lambda values: np.array(values, dtype=np.uint64).reshape(shape)
        )
    )


def as_integers(array):
    return [[int(x) for x in row] for row in array]


def at_every_validator(step, peers=None):
    peers = peers or memory_peers(timeout=5)
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(step, peers))


@given(matrices(), st.binary(min_size=32, max_size=32))
@settings(deadline=None, max_examples=50)
def test_projection_of_shares_is_the_projection_in_the_ring(secret, seed):
    projected = reconstruct([project(share, seed, rows=5) for share in share_locally(secret)])
    rows = np.concatenate(list(ternary_rows(seed, secret.shape[1], 5)), axis=1).astype(int).tolist()
    vectors = as_integers(secret)
    expected = [[sum(r * x for r, x in zip(row, vector, strict=True)) % 2**64 for row in rows] for vector in vectors]
    assert as_integers(projected) == expected


def test_projection_is_exact_across_blocks_of_columns():
    secret = np.random.default_rng(0).integers(0, 2**64, (2, 70_001), dtype=np.uint64)
    projected = reconstruct([project(share, b"s" * 32, rows=3) for share in share_locally(secret)])
    rows = np.concatenate(list(ternary_rows(b"s" * 32, 70_001, 3)), axis=1).astype(np.int64).view(np.uint64)
    assert np.array_equal(projected, secret @ rows.T)


def test_projection_entries_have_the_stated_probabilities():
    entries = np.concatenate(list(ternary_rows(b"p" * 32, 20_000, 10)), axis=1)
    for value, probability in ((-1, 0.25), (0, 0.5), (1, 0.25)):
        # Five standard deviations of a share of 200,000 draws.
        assert np.mean(entries == value) == pytest.approx(probability, abs=5 * np.sqrt(0.25 / entries.size))


def test_projection_follows_its_seed():
    one, other = (np.concatenate(list(ternary_rows(seed, 100, 4)), axis=1) for seed in (b"a" * 32, b"b" * 32))
    assert not np.array_equal(one, other)


def test_honest_vectors_stay_inside_the_range_bound_and_wrapping_ones_do_not():
    rng = np.random.default_rng(1)
    honest = np.rint(rng.normal(size=(20, 500)) * 1000).astype(np.int64)
    bound = range_bound(float(np.linalg.norm(honest, axis=1).max()))
    for vector, inside in [(honest, True), (wrapping_vectors(500), False)]:
        shares = share_locally(vector.view(np.uint64))
        projected = reconstruct([project(share, b"r" * 32, ROWS) for share in shares]).view(np.int64)
        assert np.all(np.all(np.abs(projected.astype(object)) <= bound, axis=1) == inside)


def wrapping_vectors(length):
    """Vectors whose squared norm is tiny modulo 2^64 although they are enormous."""
    vectors = np.zeros((3, length), dtype=np.int64)
    vectors[0, 7] = 2**32  # its square is 2^64, which is 0
    vectors[1, :4] = 2**31  # the squares add up to 2^64
    vectors[2, :] = 2**33
    assert all(int(sum(int(x) ** 2 for x in vector)) % 2**64 == 0 for vector in vectors[:2])
    return vectors


@given(matrices())
@settings(deadline=None, max_examples=30)
def test_gram_matrix_of_shares_is_exact_in_the_ring(secret):
    shares = share_locally(secret)

    def step(peers):
        return reshare(gram(shares[peers.rank]), ZeroSharing(peers), peers)

    opened = reconstruct(at_every_validator(step))
    vectors = as_integers(secret)
    expected = [[sum(a * b for a, b in zip(u, v, strict=True)) % 2**64 for v in vectors] for u in vectors]
    assert as_integers(opened) == expected


@given(matrices(), st.integers(1, 3), st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_products_of_two_shared_matrices_are_exact_in_the_ring(left, rows, seed):
    right = np.random.default_rng(seed).integers(0, 2**64, (rows, left.shape[1]), dtype=np.uint64)
    lefts, rights = share_locally(left), share_locally(right)

    def step(peers):
        return reshare(products(lefts[peers.rank], rights[peers.rank]), ZeroSharing(peers), peers)

    opened = reconstruct(at_every_validator(step))
    expected = [
        [sum(a * b for a, b in zip(u, v, strict=True)) % 2**64 for v in as_integers(right)] for u in as_integers(left)
    ]
    assert as_integers(opened) == expected


def test_the_gram_matrix_is_the_products_with_itself():
    shares = share_locally(np.random.default_rng(2).integers(0, 2**64, (4, 7), dtype=np.uint64))
    for share in shares:
        assert np.array_equal(gram(share), products(share, share))


def test_resharing_hides_the_summands():
    peers = memory_peers(timeout=5)
    summands = [np.zeros(50, dtype=np.uint64)] * 3
    shares = at_every_validator(lambda p: reshare(summands[p.rank], ZeroSharing(p), p), peers)
    assert np.array_equal(reconstruct(shares), np.zeros(50, dtype=np.uint64))
    assert all(np.count_nonzero(share.first) == 50 for share in shares)


def test_zero_sharings_never_repeat():
    def step(peers):
        zeros = ZeroSharing(peers)
        return zeros.draw((40,)), zeros.draw((40,))

    drawn = at_every_validator(step)
    for draw in range(2):
        assert not np.any(drawn[0][draw] + drawn[1][draw] + drawn[2][draw])
    assert not np.any(drawn[0][0] == drawn[0][1])


@given(matrices())
@settings(deadline=None, max_examples=20)
def test_opening_gives_every_validator_the_secret(secret):
    shares = share_locally(secret)
    opened = at_every_validator(lambda peers: open_share(shares[peers.rank], peers))
    assert all(np.array_equal(value, secret) for value in opened)


@pytest.mark.parametrize(
    "secret", [np.array(2**64 - 1, dtype=np.uint64), np.arange(24, dtype=np.uint64).reshape(4, 6).T]
)
def test_a_single_number_and_what_does_not_lie_in_one_piece_are_opened(secret):
    shares = [ReplicatedShare(s.rank, s.first.T, s.second.T) for s in share_locally(secret.T)]
    assert all(np.array_equal(v, secret) for v in at_every_validator(lambda p: open_share(shares[p.rank], p)))


@pytest.mark.parametrize("component", ["first", "second"])
@pytest.mark.parametrize("culprit", [0, 1, 2])
def test_one_validator_that_alters_a_component_is_noticed_by_the_one_it_deceives(culprit, component):
    shares = list(share_locally(np.arange(6, dtype=np.uint64)))
    altered = {"first": shares[culprit].first.copy(), "second": shares[culprit].second.copy()}
    altered[component][2] ^= np.uint64(1)
    shares[culprit] = ReplicatedShare(culprit, altered["first"], altered["second"])
    caught = []

    def step(peers):
        try:
            open_share(shares[peers.rank], peers)
        except TamperingDetected:
            caught.append(peers.rank)

    at_every_validator(step)
    deceived = (culprit + 1) % 3 if component == "first" else (culprit - 1) % 3
    assert deceived in caught


def test_a_message_of_the_wrong_size_is_refused():
    peers = memory_peers(timeout=5)
    share = share_locally(np.arange(4, dtype=np.uint64))[0]
    peers[2].send(0, b"short")
    peers[1].send(0, bytes(32))
    with pytest.raises(MessageError, match="5 bytes instead of 32"):
        open_share(share, peers[0])


def test_a_silent_peer_voids_the_round():
    silent: MemoryPeers = memory_peers(timeout=0.05)[0]
    with pytest.raises(RoundVoid, match="validator-1 sent nothing"):
        silent.receive(1)


def test_bytes_are_counted():
    peers = memory_peers(timeout=5)
    secret = np.zeros((3, 4), dtype=np.uint64)
    shares = share_locally(secret)
    done = threading.Barrier(3)

    def step(p):
        open_share(shares[p.rank], p)
        done.wait()
        return p.sent_bytes

    assert at_every_validator(step, peers) == [12 * 8 + 32] * 3
