"""The genesis block of a Besu network: in the form that Besu reads, and never one that no fault may hit."""

import json

import pytest

from mithridate.errors import InputError
from mithridate.ledger.besu import besu_genesis

# The validators of GoQuorum's own test of this encoding, TestPrepareExtra, in rising order.
SEALERS = [
    "0x294fc7e8f22b3bcdcf955dd7ff3ba2ed833f8212",
    "0x44add0ec310f115a0e603b2d7db9f067778eaf8a",
    "0x6beaaed781d2d2ab6350f5c4566a2c6eaac407a6",
    "0x8be76812f765c24641ec63dc2852b378aba2b440",
]


def test_the_sealers_are_encoded_as_besu_reads_them() -> None:
    expected = "0xf87aa0" + "00" * 32 + "f854" + "".join("94" + address[2:] for address in SEALERS) + "c080c0"
    assert besu_genesis(7, SEALERS)["extraData"] == expected
    assert besu_genesis(7, SEALERS[::-1])["extraData"] == expected


def test_changes_are_free_and_the_file_is_plain_json() -> None:
    genesis = json.loads(json.dumps(besu_genesis(2**53 - 1, SEALERS)))
    assert genesis["config"]["zeroBaseFee"] is True
    assert genesis["config"]["londonBlock"] == 0
    assert "shanghaiTime" not in genesis["config"]
    assert int(genesis["gasLimit"], 16) >= 100_000_000
    assert genesis["config"]["qbft"]["requesttimeoutseconds"] >= 2 * genesis["config"]["qbft"]["blockperiodseconds"]


@pytest.mark.parametrize(
    ("chain_id", "sealers"),
    [(0, SEALERS), (2**53, SEALERS), (7, SEALERS[:3]), (7, [*SEALERS, SEALERS[0]]), (7, [*SEALERS, "0x12"]), (7, [])],
)
def test_a_network_that_cannot_work_is_refused(chain_id: int, sealers: list[str]) -> None:
    with pytest.raises(InputError):
        besu_genesis(chain_id, sealers)
