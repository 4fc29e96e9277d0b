"""A node of the ledger's network that follows and never seals: geth under Clique, polygon-edge under IBFT."""
