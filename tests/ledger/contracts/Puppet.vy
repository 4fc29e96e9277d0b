# pragma version 0.4.3
# pragma evm-version london
"""
@title  Stands in for a study, so that the contracts that obey one can be driven directly
"""

pool: public(HashMap[uint256, address])
pool_rank: public(HashMap[address, uint256])
pool_size: public(uint256)
coordinator: public(address)
is_idle: public(bool)
may_draw: public(bool)


@deploy
def __init__(_pool: DynArray[address, 16], _coordinator: address):
    for rank: uint256 in range(len(_pool), bound=16):
        self.pool[rank] = _pool[rank]
        self.pool_rank[_pool[rank]] = rank + 1
    self.pool_size = len(_pool)
    self.coordinator = _coordinator
    self.is_idle = True
    self.may_draw = True


@external
def forward(target: address, data: Bytes[2048]):
    raw_call(target, data)


@external
def again(consortium: address, target: address, data: Bytes[1024]):
    """
    @notice As an administrator, or called by the consortium: votes once more for a decision.
    """
    raw_call(consortium, abi_encode(target, data, method_id=method_id("decide(address,bytes)")))
