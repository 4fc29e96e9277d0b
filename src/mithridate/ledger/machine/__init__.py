"""The virtual machine of the embedded ledger: py-evm's, with a state and tries that decode and hash a node once."""
