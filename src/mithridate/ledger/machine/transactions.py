"""Signed transactions whose key is recovered once."""

from eth.vm.forks.paris.blocks import ParisBlock
from eth.vm.forks.paris.transactions import ParisLegacyTransaction, ParisTransactionBuilder
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError


class OnceRecovered(ParisLegacyTransaction):  # type: ignore[misc]
    """A transaction without a type, whose sender is recovered from its signature once.

    py-evm recovers the key at every check and then verifies the signature under it, which tells nothing: the key is
    made so that it verifies (SEC 1, section 4.1.6).
    """

    def check_signature_validity(self) -> None:
        """Recovers the sender, which stays with the transaction.

        Raises:
            ValidationError: no key made this signature.
        """
        try:
            _ = self.sender
        except BadSignature as error:
            raise ValidationError(f"Bad Signature: {error}") from error


class OnceRecoveredBuilder(ParisTransactionBuilder):  # type: ignore[misc]
    """Decodes transactions of all forms."""

    legacy_signed = OnceRecovered


class OnceRecoveredBlock(ParisBlock):  # type: ignore[misc]
    """A block that decodes its transactions so."""

    transaction_builder = OnceRecoveredBuilder
    fields = ParisBlock._meta.fields
