import datetime
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mithridate.errors import InputError, RoundVoid
from mithridate.mpc.links import Credentials, memory_links, tls_link
from mithridate.mpc.session import Session
from mithridate.mpc.shares import reconstruct

Issuer = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


def issue(folder: Path, name: str, issuer: Issuer | None = None) -> Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signer, above = (key, subject) if issuer is None else (issuer[0], issuer[1].subject)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
    (folder / f"{name}.key").write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return key, certificate


def credentials(folder: Path, name: str) -> Credentials:
    return Credentials(folder / f"{name}.pem", folder / f"{name}.key", folder / "authority.pem")


def free_addresses() -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    return addresses


def test_a_program_over_mutual_tls(tmp_path: Path, codec: Any) -> None:
    authority = issue(tmp_path, "authority")
    for rank in range(3):
        issue(tmp_path, f"validator-{rank}", authority)
    addresses, x = free_addresses(), codec.fixed([1.5, -2.0])

    def work(rank: int) -> Any:
        link = tls_link(rank, addresses, credentials(tmp_path, f"validator-{rank}"), name="tls", connect_attempts=20)
        return Session(link).run(_double, [x[rank]])[0]

    with ThreadPoolExecutor(3) as threads:
        opened = codec.decode(reconstruct(list(threads.map(work, range(3)))))
    assert np.allclose(opened, [3.0, -4.0])


def _double(x: Any) -> Any:
    return x + x


def test_a_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    authority, other = issue(tmp_path, "authority"), issue(tmp_path, "other")
    for rank in range(3):
        issue(tmp_path, f"validator-{rank}", authority if rank else other)
    addresses = free_addresses()

    def work(rank: int) -> str:
        with pytest.raises(RoundVoid, match="could not connect"):
            tls_link(rank, addresses, credentials(tmp_path, f"validator-{rank}"), name="forged", connect_attempts=0)
        return "refused"

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(work, range(3))) == ["refused"] * 3


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    issue(tmp_path, "authority")
    with pytest.raises(InputError, match=r"validator-0\.pem is missing"):
        tls_link(0, free_addresses(), credentials(tmp_path, "validator-0"), name="missing")


def test_a_session_needs_three_ends() -> None:
    class Pair:
        world_size = 2

    with pytest.raises(ValueError, match="three validators"):
        Session(Pair())


def test_memory_links_are_ranked() -> None:
    assert [(link.rank, link.world_size) for link in memory_links()] == [(0, 3), (1, 3), (2, 3)]
