"""A participant's side of a renewal: a new key for its certificate, and the request that its account vouches for."""

from collections.abc import Collection
from pathlib import Path

from mithridate.errors import EnrolmentError
from mithridate.provisioning.enrolment import read_enrolment, refuse_existing, write_enrolled
from mithridate.provisioning.keys import Replaceable, renewed_keys
from mithridate.provisioning.opened_kit import member_of
from mithridate.provisioning.renewal_rules import refuse_fixed
from mithridate.provisioning.request import make_renewal
from mithridate.provisioning.settings import read_settings


def renew(kit: Path, keys: Path, request: Path, password: str, replaced: Collection[Replaceable] = ()) -> str:
    """Makes a participant's next keys in a new folder, its account kept, and writes the request to renew its
    certificate, whether that has expired or not; returns the request's fingerprint.

    Args:
        kit: its start-up kit, whose settings say where its keys lie.
        keys: a new folder; the keys before stay as they are, for as long as the participant runs with them.
        request: a new file, for the authority.
        password: of the keys before, and of the new ones.
        replaced: keys to make anew besides the certificate's; they may be lost.

    Raises:
        EnrolmentError: the kit or a key that is kept cannot be used, a key may not be replaced while a study runs, or
            something exists or cannot be written.
        InputError: the account's key cannot be used.
    """
    folder = kit.resolve()
    before = (folder / read_settings(folder).keys).resolve()
    enrolment = read_enrolment(before)
    member = member_of(folder, enrolment.authority)
    refuse_fixed(member.participant, replaced)
    refuse_existing(request)
    made = renewed_keys(before, password, replaced)
    if made.account.address.lower() != member.keys.account.lower():
        raise EnrolmentError(
            f"{before} holds the account {made.account.address}, the kit is of {member.keys.account}: use the folder of"
            " keys that belongs to this kit"
        )
    content = make_renewal(enrolment.consortium, member.participant, made, renews=member.serial)
    return write_enrolled(keys, made, enrolment, password, request, content)
