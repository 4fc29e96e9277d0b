"""Who sealed a network's blocks: each header's seals against the sealers of the genesis block.

`chain` links blocks from the genesis on; `clique` is geth's proof of authority, `ibft` polygon-edge's consensus.
"""
