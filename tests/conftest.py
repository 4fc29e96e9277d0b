"""What tests of several folders share."""

from collections.abc import Iterator

import fsspec
import pytest

from mithridate.emulation.network import require_emulation
from mithridate.errors import EmulationUnavailable


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


@pytest.fixture(scope="session")
def emulation() -> None:
    """Skips where this process may not emulate networks."""
    try:
        require_emulation()
    except EmulationUnavailable as error:
        pytest.skip(str(error))
