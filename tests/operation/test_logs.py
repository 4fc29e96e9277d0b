"""What a process writes down: structured lines, bounded, and never a payload."""

import json
import logging
import logging.config
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nvflare.apis.shareable import Shareable

from mithridate.errors import EnrolmentError
from mithridate.logs import MAX_MESSAGE, JsonLines, ShortLines, presentable
from mithridate.poc.consortium import ProvisionedConsortium
from mithridate.provisioning.engine_logs import LOG_CONFIG_FILE, LOG_FILE, begin_log, log_config
from mithridate.provisioning.kit import STARTED

CANARY = b"canary-of-plaintext-9f3b"


def record(message: str, *arguments: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("mithridate.test", level, __file__, 1, message, arguments, None)


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "log_config.json").write_text(json.dumps(log_config()), encoding="utf-8")
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield tmp_path
    for handler in set(root.handlers) - set(before):
        handler.close()
    root.handlers[:], root.level = before, level
    for name in log_config()["loggers"]:
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_the_engines_own_news_hold_no_payload(kit: Path, capfd: pytest.CaptureFixture[str]) -> None:
    begin_log(kit)
    reply = Shareable()
    reply["body"] = CANARY + bytes(range(256))
    # As ClientEngine.send_aux_request says it for every answer, and Cell for what it cannot encode.
    logging.getLogger("nvflare.private.fed.client.client_engine.ClientEngine").info(f"got aux reply: {reply}")
    logging.getLogger("nvflare.fuel.f3.cellnet.cell.Cell").error(f"Can't encode msg={reply}")
    logging.getLogger("nvflare.private.fed.client.fed_client.FederatedClient").info("Successfully registered client")
    logging.getLogger("mithridate.federation").info("round 1 begins")
    written = (kit / LOG_FILE).read_text(encoding="utf-8")
    said = capfd.readouterr().err
    assert "canary" not in written
    assert "canary" not in said
    messages = [json.loads(line)["message"] for line in written.splitlines()]
    assert [text[:12] for text in messages] == ["Can't encode", "Successfully", "round 1 begi"]
    assert "round 1 begins" in said
    assert "\x1b" not in said


def test_without_our_configuration_the_canary_would_be_written(kit: Path) -> None:
    reply = Shareable()
    reply["body"] = CANARY
    assert "canary" in f"got aux reply: {reply}"


@given(st.binary(min_size=4), st.text(max_size=20).filter(lambda text: "canary" not in text))
def test_no_bytes_literal_survives(body: bytes, text: str) -> None:
    said = presentable(f"{text} {CANARY + body!r} {bytearray(CANARY + body)!r} {[CANARY + body]!r} end")
    assert "canary" not in said


@given(st.text(max_size=3 * MAX_MESSAGE))
def test_a_message_is_bounded_and_prints(text: str) -> None:
    said = presentable(text)
    assert len(said) < MAX_MESSAGE + 60
    assert "\x1b" not in said
    assert "\r" not in said


def test_a_literal_that_the_caller_cut_is_left_out_too() -> None:
    assert "canary" not in presentable(f"body={CANARY!r}"[:-4])


def test_words_that_end_in_b_stay() -> None:
    assert presentable("the club's web's job 'x'") == "the club's web's job 'x'"


@given(st.text())
def test_a_line_of_the_file_is_one_object(text: str) -> None:
    line = JsonLines().format(record("%s", text))
    assert "\n" not in line
    assert set(json.loads(line)) == {"time", "level", "logger", "thread", "message"}


def test_an_error_brings_its_traceback_to_the_file_and_its_name_to_stderr() -> None:
    try:
        raise ValueError(f"cannot open {CANARY!r}")
    except ValueError:
        failed = logging.LogRecord("mithridate", logging.ERROR, __file__, 1, "it\nstops", (), sys.exc_info())
    told = json.loads(JsonLines().format(failed))
    assert "Traceback" in told["error"]
    assert "canary" not in told["error"]
    assert ShortLines().format(failed).endswith("ERROR it | stops (ValueError)")


def test_every_kit_that_is_started_says_what_is_logged(consortium: ProvisionedConsortium) -> None:
    for place in consortium.of(*STARTED):
        document = json.loads((place.kit / LOG_CONFIG_FILE).read_text(encoding="utf-8"))
        assert document == log_config()
        assert not list((place.kit / "local").glob("*.default"))


def test_a_damaged_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    for content in ("", "[]", "{}", '{"version": 1, "handlers": {"file": 3}}', "[" * 20_000):
        (tmp_path / LOG_CONFIG_FILE).write_text(content, encoding="utf-8")
        with pytest.raises(EnrolmentError, match="cannot be used"):
            begin_log(tmp_path)
