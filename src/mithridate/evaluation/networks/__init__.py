"""Real networks on this machine, for tests and the ledger's benchmark: every node its own process, loopback only."""
