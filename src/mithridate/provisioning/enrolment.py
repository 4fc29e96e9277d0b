"""A participant's side of enrolment: its keys, made and kept here, and the request that it sends away."""

import re
from pathlib import Path

from pydantic import Field, ValidationError

from mithridate.errors import EnrolmentError
from mithridate.provisioning.consortium import load_consortium
from mithridate.provisioning.keys import ParticipantKeys, new_keys, write_keys
from mithridate.provisioning.private_files import read_bounded, write_new
from mithridate.provisioning.request import fingerprint, make_request
from mithridate.section import Section

ENROLMENT_FILE = "enrolment.json"
MAX_BYTES = 1 << 12


class Enrolment(Section):
    """What a participant keeps beside its keys about the enrolment that they were made for."""

    consortium: str
    """Which one."""
    participant: str
    """Under which name."""
    authority: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the authority's certificate, learned by another way than the kit came: the root of all trust."""


def enrol(consortium_file: Path, name: str, authority: str, keys: Path, request: Path, password: str) -> str:
    """Makes a participant's keys in a new folder and writes its request; returns the request's fingerprint.

    Args:
        consortium_file: in which it is listed.
        name: under which it is.
        authority: SHA-256 of the authority's certificate, in hexadecimal; spaces are left out.
        keys: a new folder, which never leaves this machine except as a copy for safe keeping.
        request: a new file, for the authority.
        password: encrypts the keys.

    Raises:
        ConsortiumError: the file is not usable, or does not list the name.
        EnrolmentError: the fingerprint is none, something exists or cannot be written, or the password is short.
    """
    consortium = load_consortium(consortium_file)
    participant = consortium.participant(name)
    digits = authority.replace(" ", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise EnrolmentError("the authority's fingerprint has 64 hexadecimal digits: `authority init` told it")
    refuse_existing(request)
    made = new_keys()
    enrolment = Enrolment(consortium=consortium.consortium, participant=name, authority=digits)
    return write_enrolled(keys, made, enrolment, password, request, make_request(consortium, participant, made))


def read_enrolment(keys: Path) -> Enrolment:
    """What a participant keeps beside its keys.

    Raises:
        EnrolmentError: the file is missing or damaged.
    """
    content = read_bounded(keys / ENROLMENT_FILE, MAX_BYTES, "what `mithridate enrol` wrote beside the keys")
    try:
        return Enrolment.model_validate_json(content)
    except ValidationError as error:
        raise EnrolmentError(f"{keys / ENROLMENT_FILE} is damaged: restore it from the copy of the keys") from error


def refuse_existing(request: Path) -> None:
    """Returns if a request can be written there; raises EnrolmentError where something is."""
    if request.exists():
        raise EnrolmentError(f"{request} exists and is never overwritten: choose another place")


def write_enrolled(
    folder: Path, keys: ParticipantKeys, enrolment: Enrolment, password: str, request: Path, content: bytes
) -> str:
    """Writes keys, encrypted, into a new folder with what they were made for, then the request's bytes into a new file.

    Returns:
        The request's fingerprint.

    Raises:
        EnrolmentError: something exists or cannot be written, or the password is short.
    """
    write_keys(folder, keys, enrolment.participant, password)
    write_new(folder / ENROLMENT_FILE, enrolment.model_dump_json(indent=1).encode())
    write_new(request, content)
    return fingerprint(content)
