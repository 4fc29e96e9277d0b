"""Domain separation: every hash, key and signature covers the tag of its purpose, so none stands in for another.

A tag ends in the number of its meaning; when the meaning changes, the number does. No tag is the beginning of another.
"""

from enum import Enum


class Domain(Enum):
    """What a hash, a derived key, associated data or a signature is for; the value is its tag."""

    ENVELOPE_KEY = b"mithridate/envelope-key/1"
    SUBMISSION_CONTEXT = b"mithridate/submission-context/1"
    SUBMISSION_SIGNATURE = b"mithridate/submission-signature/1"
    SUBMISSION_DIGEST = b"mithridate/submission-digest/1"
    COMPONENT_0 = b"mithridate/component-0/2"
    COMPONENT_1 = b"mithridate/component-1/2"
    COMPONENT_2 = b"mithridate/component-2/2"
    PROJECTION = b"mithridate/projection/1"
    RELAY_REQUEST = b"mithridate/relay-request/1"
    RANDOM_VALUE = b"mithridate/random-value/1"
    DRAW_VALUE = b"mithridate/draw-value/1"
    REFERENCE_SET = b"mithridate/reference-set/1"
    ENROLMENT_REQUEST = b"mithridate/enrolment-request/1"
    ENROLMENT_ACCOUNT = b"mithridate/enrolment-account/1"
    KIT_MANIFEST = b"mithridate/kit-manifest/1"
    REGISTER = b"mithridate/register/1"
    # The contract holds the same bytes.
    RANDOMNESS = b"mithridate/randomness/1"

    @property
    def tag(self) -> bytes:
        """The bytes that come first in whatever is hashed, derived or signed."""
        return self.value


COMPONENTS = (Domain.COMPONENT_0, Domain.COMPONENT_1, Domain.COMPONENT_2)
