import os

import pytest

from mithridate.errors import InputError
from mithridate.evaluation.federation.flower import FlowerWorker, flower_python


@pytest.fixture
def flower_worker() -> FlowerWorker:
    """Flower's interpreter; `make flower` makes it."""
    try:
        flower_python()
    except InputError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    return FlowerWorker()
