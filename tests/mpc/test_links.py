import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mithridate.errors import RoundVoid
from mithridate.mpc.links import memory_links
from mithridate.mpc.session import Session
from mithridate.mpc.shares import reconstruct


def double(x: Any) -> Any:
    return x + x


def test_ends_are_ranked() -> None:
    assert [(link.rank, link.world_size) for link in memory_links()] == [(0, 3), (1, 3), (2, 3)]


def test_groups_do_not_meet(codec: Any) -> None:
    one, other, x = memory_links(0.2), memory_links(0.2), codec.fixed([1.0])

    def work(rank: int) -> None:
        link = one[rank] if rank else other[rank]
        with pytest.raises(RoundVoid):
            Session(link).run(double, [x[rank]])

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(work, range(3)))


def test_a_validator_may_leave_as_soon_as_it_is_done(codec: Any) -> None:
    x = codec.fixed(np.arange(100))
    for _ in range(20):
        sessions = [Session(link) for link in memory_links(10.0)]

        def work(rank: int, held: list[Session] = sessions) -> Any:
            return held[rank].run(double, [x[rank]])[0], held.__setitem__(rank, None)

        with ThreadPoolExecutor(3) as threads:
            opened = reconstruct([share for share, _ in threads.map(work, range(3))])
        assert codec.decode(opened).tolist() == (2.0 * np.arange(100)).tolist()


def test_a_session_needs_three_ends() -> None:
    class Pair:
        world_size = 2

    with pytest.raises(ValueError, match="three validators"):
        Session(Pair())


# In a process of its own: SPU ends the whole process where it loses a message of a link for good.
ENDS = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from mithridate.crypto.keys import generate, private_to_pem
from mithridate.crypto.link_certificates import make_link_certificate
from mithridate.errors import RoundVoid
from mithridate.evaluation.networks.process import free_ports
from mithridate.mpc.links import LinkFiles, remote_link
from mithridate.mpc.session import Session
from mithridate.mpc.shares import reconstruct, share_locally

folder, case = Path(sys.argv[1]), sys.argv[2]
keys = [generate() for _ in range(4)]
certificates = [make_link_certificate(f"validator-{rank % 3}", key) for rank, key in enumerate(keys)]
addresses = [f"127.0.0.1:{port}" for port in free_ports(3)]
shares = share_locally(np.arange(5, dtype=np.uint64) << np.uint64(18))

def end(rank):
    # Whom nobody trusts is validator 2 with another certificate of its name.
    shown = 3 if case == "stranger" and rank == 2 else rank
    files = LinkFiles(*(folder / f"{rank}-{name}" for name in ("certificate", "key", "trusted")))
    files.certificate.write_bytes(certificates[shown])
    files.key.write_bytes(private_to_pem(keys[shown], passphrase=None))
    files.trusted.write_bytes(b"".join(certificates[:3]))
    try:
        link = remote_link(rank, addresses, files, "link", patience_s=30.0 if case == "all" else 1.0)
    except RoundVoid as error:
        return str(error)
    return Session(link).run(lambda x: x * x, [shares[rank]])[0], link

with socket.socket() as other, ThreadPoolExecutor(3) as threads:
    if case == "taken":
        other.bind(("127.0.0.1", int(addresses[0].split(":")[1])))
        other.listen()
    ends = list(threads.map(end, {"all": range(3), "stranger": range(3), "absent": [0, 1], "taken": [0]}[case]))
    if case == "all":
        print((reconstruct([share for share, _ in ends]) >> np.uint64(18)).tolist())
    else:
        print(*ends, sep="\\n")
"""


def ends(folder: Path, case: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", ENDS, str(folder), case], stdout=subprocess.PIPE, text=True, timeout=120
    )
    return run.stdout.splitlines()


def test_ends_between_machines_compute_together(tmp_path: Path) -> None:
    assert ends(tmp_path, "all") == ["[0, 1, 4, 9, 16]"]


@pytest.mark.parametrize("case", ["stranger", "absent", "taken"])
def test_a_link_that_does_not_come_about_is_given_up_in_words(tmp_path: Path, case: str) -> None:
    found = ends(tmp_path, case)
    assert len(found) == {"stranger": 3, "absent": 2, "taken": 1}[case]
    reason = "server failed start" if case == "taken" else "connect to mesh failed"
    for rank, line in enumerate(found):
        assert line.startswith(f"validator-{rank} cannot link with the others for the joint computation: ")
        assert reason in line
