from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mithridate.mpc.spu_log import _SentBytes, bytes_sent, first_line


def test_a_product_of_matrices_sends_what_aby3_says(committee: Any, codec: Any) -> None:
    x = codec.integer(np.ones((32, 32), np.int64))
    committee.ring(_product, [x])
    before = bytes_sent()
    committee.ring(_product, [x])
    # One ring element of each entry and validator, and some bytes of synchronisation.
    assert 3 * 8 * 32 * 32 <= bytes_sent() - before <= 3 * 8 * 32 * 32 + 256


def _product(x: Any) -> Any:
    return x @ x


def test_nothing_reaches_the_console(capfd: pytest.CaptureFixture[str], committee: Any, codec: Any) -> None:
    committee.ring(_product, [codec.integer(np.ones((2, 2), np.int64))])
    assert capfd.readouterr() == ("", "")


def test_the_log_is_read_once_and_whole_lines_only(tmp_path: Path) -> None:
    log = tmp_path / "spu.log"
    sent = _SentBytes(log)
    assert sent.total() == 0
    log.write_text("Link details: total send bytes 5, recv\nLink details: total send bytes 7")
    assert sent.total() == 5
    assert sent.total() == 5
    with log.open("a") as file:
        file.write("0, recv\n")
    assert sent.total() == 75
    log.write_text("Link details: total send bytes 1, recv\n")
    assert sent.total() == 76


def test_the_first_line_has_no_stack_trace() -> None:
    error = RuntimeError("what: \n\t[channel.cc:53] Get data timeout\nstacktrace: \n#0 yacl::link")
    assert first_line(error) == "[channel.cc:53] Get data timeout"
