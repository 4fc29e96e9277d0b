"""What a participant sends to the key authority: its public keys and its signing request, each vouching for the others.

The certificate request (PKCS #10) proves the RSA key and names the signing key; the signing key and the account sign it
all. So nobody can put another's certificate request, or another's account, into a request of its own. What no signature
can show is who stands behind the keys: the authority compares the request's fingerprint with its sender by another way.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from coincurve import PrivateKey as AccountKey
from coincurve import PublicKey as AccountPoint
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from eth_keys.datatypes import PublicKey as EthereumKey
from pydantic import Field, ValidationError

from mithridate.crypto.domains import Domain
from mithridate.crypto.keys import public_from_bytes, public_to_bytes
from mithridate.crypto.signing import sign, verify
from mithridate.errors import EnrolmentError, ProtocolError
from mithridate.provisioning.consortium import Consortium, Participant
from mithridate.provisioning.keys import RSA_BITS, ParticipantKeys
from mithridate.provisioning.x509_errors import X509_ERRORS
from mithridate.section import Section

MAX_BYTES = 1 << 15
VERSION = 1
_KEY_NAME = "urn:mithridate:signing-key:"
_POINT = r"^0[23][0-9a-f]{64}$"


class PublicKeys(Section):
    """The public side of a participant's keys, as a roster holds it."""

    signing_key: str = Field(pattern=_POINT)
    """P-256, compressed, in hexadecimal: its signatures verify under it."""
    envelope_key: str = Field(pattern=_POINT)
    """P-256, compressed, in hexadecimal: what is meant for it is sealed to it."""
    account: str = Field(pattern=r"^0x[0-9a-fA-F]{40}$")
    """Its address on the ledger."""


class RequestBody(Section):
    """What is signed."""

    version: Annotated[int, Field(ge=VERSION, le=VERSION)]
    """Of this form."""
    consortium: str = Field(max_length=64)
    """Which one."""
    participant: str = Field(max_length=64)
    """Who asks."""
    role: str = Field(max_length=32)
    """As what."""
    organisation: str = Field(max_length=64)
    """For whom."""
    made: int = Field(ge=0, le=2**40)
    """When, in seconds since 1970: the authority takes none older than the one it signed last."""
    keys: PublicKeys
    """Its public keys."""
    renews: str = Field(default="", pattern=r"^[0-9a-f]{0,40}$")
    """Number of the certificate that is to be renewed, in hexadecimal; empty of a first enrolment."""
    certificate_request: str = Field(max_length=8192)
    """PKCS #10 in PEM."""


class _Signed(Section):
    body: str = Field(max_length=MAX_BYTES)
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")
    account_signature: str = Field(pattern=r"^[0-9a-f]{130}$")


@dataclass(frozen=True)
class EnrolmentRequest:
    """A request whose signatures were checked.

    Attributes:
        body: what it says.
        public: the RSA key of the certificate that is asked for.
        fingerprint: SHA-256 of the request's bytes, 64 hexadecimal digits.
    """

    body: RequestBody
    public: rsa.RSAPublicKey
    fingerprint: str


def make_request(consortium: Consortium, participant: Participant, keys: ParticipantKeys) -> bytes:
    """A participant's signed request, to be sent to the authority; it holds nothing secret."""
    return _signed_request(consortium.consortium, participant, keys, renews="")


def make_renewal(consortium: str, participant: Participant, keys: ParticipantKeys, *, renews: str) -> bytes:
    """A participant's signed request for a new certificate in place of the one numbered `renews`, as `make_request`."""
    return _signed_request(consortium, participant, keys, renews=renews)


def _signed_request(consortium: str, participant: Participant, keys: ParticipantKeys, *, renews: str) -> bytes:
    public = PublicKeys(
        signing_key=public_to_bytes(keys.signing.public_key()).hex(),
        envelope_key=public_to_bytes(keys.envelope.public_key()).hex(),
        account=keys.account.address,
    )
    body = RequestBody(
        version=VERSION,
        consortium=consortium,
        participant=participant.name,
        role=participant.role.value,
        organisation=participant.organisation,
        made=int(datetime.now(UTC).timestamp()),
        keys=public,
        renews=renews,
        certificate_request=_certificate_request(participant, keys, public.signing_key),
    )
    text = body.model_dump_json()
    return (
        _Signed(
            body=text,
            signature=sign(keys.signing, Domain.ENROLMENT_REQUEST, text.encode()).hex(),
            account_signature=AccountKey(keys.account.key).sign_recoverable(_account_message(text)).hex(),
        )
        .model_dump_json(indent=1)
        .encode()
    )


def fingerprint(content: bytes) -> str:
    """By which sender and authority make sure, over the telephone for one, that they hold the same request."""
    return hashlib.sha256(content).hexdigest()


def read_request(content: bytes) -> EnrolmentRequest:
    """A request from its bytes, with every proof in it checked.

    Raises:
        EnrolmentError: it is malformed or too large, or a key does not vouch for the request.
    """
    if len(content) > MAX_BYTES:
        raise EnrolmentError(f"an enrolment request has at most {MAX_BYTES} bytes, this has {len(content)}")
    try:
        signed = _Signed.model_validate_json(content)
        body = RequestBody.model_validate_json(signed.body)
        certificate_request = x509.load_pem_x509_csr(body.certificate_request.encode())
    except (ValidationError, *X509_ERRORS) as error:
        raise EnrolmentError("this is no enrolment request: send the file that `mithridate enrol` wrote") from error
    try:
        _check_signatures(signed, body)
        public = _proved_key(certificate_request, body)
    except (ProtocolError, *X509_ERRORS) as error:
        raise EnrolmentError(f"the request of {body.participant!r} does not hold: {error}") from error
    return EnrolmentRequest(body, public, fingerprint(content))


def _certificate_request(participant: Participant, keys: ParticipantKeys, signing_key: str) -> str:
    subject = [
        x509.NameAttribute(NameOID.COMMON_NAME, participant.subject),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, participant.organisation),
    ]
    bound = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(_KEY_NAME + signing_key)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    signed = builder.add_extension(bound, critical=False).sign(keys.tls, hashes.SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


def _account_message(body: str) -> bytes:
    return Domain.ENROLMENT_ACCOUNT.tag + body.encode()


def _check_signatures(signed: _Signed, body: RequestBody) -> None:
    key = public_from_bytes(bytes.fromhex(body.keys.signing_key))
    public_from_bytes(bytes.fromhex(body.keys.envelope_key))
    verify(key, Domain.ENROLMENT_REQUEST, signed.body.encode(), bytes.fromhex(signed.signature))
    proof = bytes.fromhex(signed.account_signature)
    point = AccountPoint.from_signature_and_message(proof, _account_message(signed.body))
    if EthereumKey(point.format(compressed=False)[1:]).to_checksum_address() != body.keys.account:
        raise ValueError("the ledger account's key did not sign it")


def _proved_key(request: x509.CertificateSigningRequest, body: RequestBody) -> rsa.RSAPublicKey:
    public = request.public_key()
    if not request.is_signature_valid:
        raise ValueError("the certificate request's signature does not verify")
    if not isinstance(public, rsa.RSAPublicKey) or public.key_size < RSA_BITS:
        raise ValueError(f"the certificate's key should be RSA of {RSA_BITS} bits or more")
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise ValueError("the certificate request names no signing key") from None
    if names.get_values_for_type(x509.UniformResourceIdentifier) != [_KEY_NAME + body.keys.signing_key]:
        raise ValueError("the certificate request names another signing key: it is from another request")
    return public
