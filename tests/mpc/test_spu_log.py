from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mithridate.mpc.spu_log import Sent, _SentCounts, bytes_sent, first_line, sent


def test_a_product_of_matrices_sends_what_aby3_says(committee: Any, codec: Any) -> None:
    x = codec.integer(np.ones((32, 32), np.int64))
    committee.ring(_product, [x])
    before, messages = bytes_sent(), sent().messages
    committee.ring(_product, [x])
    assert 3 <= sent().messages - messages <= 24
    # One ring element of each entry and validator, and some bytes of synchronisation.
    assert 3 * 8 * 32 * 32 <= bytes_sent() - before <= 3 * 8 * 32 * 32 + 256


def _product(x: Any) -> Any:
    return x @ x


def test_nothing_reaches_the_console(capfd: pytest.CaptureFixture[str], committee: Any, codec: Any) -> None:
    committee.ring(_product, [codec.integer(np.ones((2, 2), np.int64))])
    assert capfd.readouterr() == ("", "")


def test_the_log_is_read_once_and_whole_lines_only(tmp_path: Path) -> None:
    log = tmp_path / "spu.log"
    counts = _SentCounts(log)
    assert counts.total() == Sent(0, 0)
    line = "Link details: total send bytes {}, recv bytes 9, send actions {}, recv actions 9"
    log.write_text(line.format(5, 2) + "\n" + line.format(70, 1)[:-2])
    assert counts.total() == Sent(5, 2)
    assert counts.total() == Sent(5, 2)
    with log.open("a") as file:
        file.write("s 9\n")
    assert counts.total() == Sent(75, 3)
    log.write_text(line.format(1, 1) + "\n")
    assert counts.total() == Sent(76, 4)


def test_the_first_line_has_no_stack_trace() -> None:
    error = RuntimeError("what: \n\t[channel.cc:53] Get data timeout\nstacktrace: \n#0 yacl::link")
    assert first_line(error) == "[channel.cc:53] Get data timeout"
