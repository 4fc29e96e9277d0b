"""The ledger: commitments, verdicts, votes and model hashes, held by a contract that enforces the protocol's rules.

`interface` names the protocol's words and nothing of any chain; `embedded` is the default adapter. Importing this
package or `interface` loads no chain software.
"""
