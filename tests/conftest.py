"""What tests of several folders share."""

from collections.abc import Iterator

import fsspec
import pytest

LONGEST_NAME = 40
"""Bytes of a parameter that its test may be named by."""


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """A bucket on an S3 server on the loopback interface; the environment leads to it, as it would in production."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fsspec.filesystem("s3").mkdir("models")
        yield "s3://models"
    server.stop()


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Long messages, most with random keys in them, are named by their argument: workers must name tests alike."""
    return argname if isinstance(val, bytes) and len(val) > LONGEST_NAME else None
