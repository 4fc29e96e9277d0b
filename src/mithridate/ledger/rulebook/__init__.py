"""The contracts' rules in plain Python: deterministic, in memory, free of any chain.

A second implementation of what the contracts enforce. The contracts are tested against it, an auditor replays a ledger
through it, and a ledger without an EVM can run it as its chaincode. Each class has its contract's name, functions and
reasons; the first argument of a function that changes state is the `Caller`.
"""
