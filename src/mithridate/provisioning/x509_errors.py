"""What the X.509 parser raises on bytes of another party's making; its errors share no base class."""

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

X509_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    InvalidSignature,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
)
