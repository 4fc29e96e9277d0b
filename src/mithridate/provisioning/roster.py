"""The roster: every enrolled participant's public keys, certificate and place, as the authority vouches for them."""

from typing import Annotated

from pydantic import Field

from mithridate.crypto.keys import PublicKey, public_from_bytes
from mithridate.errors import EnrolmentError
from mithridate.provisioning.certificates import certificate_from_pem, fingerprint
from mithridate.provisioning.consortium import Consortium, Participant, Role
from mithridate.provisioning.register import Entry, Register
from mithridate.provisioning.request import PublicKeys
from mithridate.section import Section


class Member(Section):
    """One participant, all of it public."""

    participant: Participant
    """What the consortium file says of it."""
    keys: PublicKeys
    """Its public keys."""
    serial: str
    """Its certificate's number, in hexadecimal."""
    certificate: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of its certificate."""
    pem: str = Field(default="", max_length=8192)
    """A validator's certificate itself, as the other two accept no other from it; empty for everybody else."""
    expires: int = Field(ge=0)
    """When that certificate ends, in seconds since 1970."""

    @property
    def signing_key(self) -> PublicKey:
        """Under which its signatures verify."""
        return public_from_bytes(bytes.fromhex(self.keys.signing_key))

    @property
    def envelope_key(self) -> PublicKey:
        """To which what is meant for it is sealed."""
        return public_from_bytes(bytes.fromhex(self.keys.envelope_key))


class Roster(Section):
    """All members in the consortium file's order."""

    consortium: str
    """Its name."""
    coordinator: Participant
    """Where all others dial in, enrolled or not."""
    members: Annotated[tuple[Member, ...], Field(strict=False)]
    """Those with a certificate that counts."""

    def member(self, name: str) -> Member:
        """The member of this name.

        Raises:
            EnrolmentError: it is none.
        """
        for member in self.members:
            if member.participant.name == name:
                return member
        raise EnrolmentError(f"{name!r} is not on the roster of {self.consortium}: it has not enrolled, or was revoked")

    def of(self, *roles: Role) -> tuple[Member, ...]:
        """The members in any of these roles, in the roster's order."""
        return tuple(member for member in self.members if member.participant.role in roles)


def make_roster(consortium: Consortium, register: Register) -> Roster:
    """The roster of those participants whose newest certificate counts."""
    current = ((participant, register.current(participant.name)) for participant in consortium.participants)
    members = tuple(_member(participant, entry) for participant, entry in current if entry)
    return Roster(consortium=consortium.consortium, coordinator=consortium.coordinator, members=members)


def _member(participant: Participant, entry: Entry) -> Member:
    certificate = certificate_from_pem(entry.certificate.encode(), f"the register's entry of {participant.name}")
    return Member(
        participant=participant,
        keys=entry.keys,
        serial=entry.serial,
        certificate=fingerprint(certificate),
        pem=entry.certificate if participant.role is Role.VALIDATOR else "",
        expires=entry.expires,
    )
