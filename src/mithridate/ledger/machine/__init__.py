"""The virtual machine of the embedded ledger: py-evm's, with its state, its tries and its commonest instructions."""
