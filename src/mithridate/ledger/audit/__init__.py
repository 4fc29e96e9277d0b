"""The audit of a ledger: its past run again under the rules in plain Python, and everything compared with the chain.

`procedure` plays a chronicle through; `replay` feeds the rulebook; `announced` compares each event and `compare` the
end; `tally` counts votes from the signed transactions alone.
"""
