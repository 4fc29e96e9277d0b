"""A study among machines: each party as a process that follows the ledger, and asks the coordinator for the rest."""
