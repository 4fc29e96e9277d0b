# pragma version 0.4.3
# pragma evm-version london
"""
@title  Which three of a study's validators serve as its committee, drawn by commit and reveal
@notice The coordinator opens a draw with two deadlines. Each validator commits to a random value before the first and
        reveals it before the second; whoever commits and withholds is named and cannot be drawn, so that withholding
        to change the outcome costs the seat it was meant to win. With three validators there is nothing to draw.
"""

interface Consortium:
    def is_active(account: address, role: uint256) -> bool: view

interface Study:
    def pool_rank(account: address) -> uint256: view
    def pool_size() -> uint256: view
    def pool(rank: uint256) -> address: view
    def coordinator() -> address: view
    def is_idle() -> bool: view
    def may_draw() -> bool: view

VALIDATOR: constant(uint256) = 2
COORDINATOR: constant(uint256) = 6
COMMITTEE: constant(uint256) = 3
MAX_POOL: constant(uint256) = 16
MAX_SECONDS: constant(uint256) = 2**40
RANDOMNESS_DOMAIN: constant(Bytes[22]) = b"mithridate/committee/1"

struct Draw:
    commit_deadline: uint256
    reveal_deadline: uint256
    commitments: bytes32[16]
    committed: uint256  # one bit a rank
    revealed: uint256
    seed: bytes32
    settled: bool
    drawn: bool
    committee: uint256[3]

event DrawOpened:
    number: indexed(uint256)
    commit_deadline: uint256
    reveal_deadline: uint256

event DrawCommitted:
    number: indexed(uint256)
    rank: indexed(uint256)
    commitment: bytes32

event DrawRevealed:
    number: indexed(uint256)
    rank: indexed(uint256)
    revealed: bytes32

event Withheld:
    number: indexed(uint256)
    validator: indexed(address)

event CommitteeDrawn:
    number: indexed(uint256)
    committee: uint256[3]
    seed: bytes32

event DrawFailed:
    number: indexed(uint256)

deployer: immutable(address)
consortium: public(immutable(address))

study: public(address)
draw_count: public(uint256)
draws: HashMap[uint256, Draw]  # by number, from 1
latest_drawn: public(uint256)
withheld: public(HashMap[address, uint256])


@deploy
def __init__(_consortium: address):
    deployer = msg.sender
    consortium = _consortium


@external
def attach(_study: address):
    assert msg.sender == deployer and self.study == empty(address), "already attached"
    assert _study.is_contract, "no contract there"
    self.study = _study


@internal
@view
def _rank() -> uint256:
    rank: uint256 = staticcall Study(self.study).pool_rank(msg.sender)
    assert rank != 0, "only a validator"
    assert staticcall Consortium(consortium).is_active(msg.sender, VALIDATOR), "not an active member"
    return rank - 1


@internal
@view
def _open(number: uint256):
    assert number != 0 and number == self.draw_count, "not the latest draw"
    assert not self.draws[number].settled, "draw is settled"


@external
def open_draw(commit_deadline: uint256, reveal_deadline: uint256):
    assert msg.sender == staticcall Study(self.study).coordinator(), "only the coordinator"
    assert staticcall Consortium(consortium).is_active(msg.sender, COORDINATOR), "not an active member"
    assert staticcall Study(self.study).is_idle(), "attempt still open"
    number: uint256 = self.draw_count
    assert number == 0 or self.draws[number].settled, "draw still open"
    assert staticcall Study(self.study).may_draw(), "committee still serves"
    assert commit_deadline > block.timestamp, "deadline has passed"
    assert reveal_deadline > commit_deadline, "bad deadlines"
    assert reveal_deadline <= block.timestamp + MAX_SECONDS, "deadline too far"
    number += 1
    self.draw_count = number
    self.draws[number].commit_deadline = commit_deadline
    self.draws[number].reveal_deadline = reveal_deadline
    log DrawOpened(number=number, commit_deadline=commit_deadline, reveal_deadline=reveal_deadline)


@external
def commit(number: uint256, commitment: bytes32):
    rank: uint256 = self._rank()
    self._open(number)
    assert block.timestamp < self.draws[number].commit_deadline, "deadline has passed"
    assert self.draws[number].revealed == 0, "wrong phase"
    assert commitment != empty(bytes32), "empty hash"
    assert (self.draws[number].committed >> rank) & 1 == 0, "already committed"
    for other: uint256 in range(MAX_POOL):
        # A copied commitment, revealed after the original, would cancel it from the XOR.
        assert self.draws[number].commitments[other] != commitment, "commitment copied"
    self.draws[number].commitments[rank] = commitment
    self.draws[number].committed |= 1 << rank
    log DrawCommitted(number=number, rank=rank, commitment=commitment)


@external
def reveal(number: uint256, revealed: bytes32):
    rank: uint256 = self._rank()
    self._open(number)
    everyone: uint256 = (1 << staticcall Study(self.study).pool_size()) - 1
    complete: bool = self.draws[number].committed == everyone
    assert complete or block.timestamp >= self.draws[number].commit_deadline, "commitments still open"
    assert block.timestamp < self.draws[number].reveal_deadline, "deadline has passed"
    assert (self.draws[number].revealed >> rank) & 1 == 0, "already revealed"
    commitment: bytes32 = sha256(concat(RANDOMNESS_DOMAIN, revealed))
    assert commitment == self.draws[number].commitments[rank], "not what was committed"
    self.draws[number].revealed |= 1 << rank
    self.draws[number].seed = convert(
        convert(self.draws[number].seed, uint256) ^ convert(revealed, uint256), bytes32
    )
    log DrawRevealed(number=number, rank=rank, revealed=revealed)


@external
def settle(number: uint256):
    """
    @notice Ends a draw once all who committed have revealed, or the second deadline has passed. Anyone may call it.
    """
    self._open(number)
    draw: Draw = self.draws[number]
    expired: bool = block.timestamp >= draw.reveal_deadline
    everyone: uint256 = (1 << staticcall Study(self.study).pool_size()) - 1
    finished: bool = draw.revealed == draw.committed and (
        draw.committed == everyone or block.timestamp >= draw.commit_deadline
    )
    assert expired or finished, "draw still open"
    self.draws[number].settled = True
    candidates: uint256 = 0
    count: uint256 = 0
    for rank: uint256 in range(MAX_POOL):
        if (draw.committed >> rank) & 1 == 0:
            continue
        account: address = staticcall Study(self.study).pool(rank)
        if (draw.revealed >> rank) & 1 == 0:
            self.withheld[account] += 1
            log Withheld(number=number, validator=account)
        elif staticcall Consortium(consortium).is_active(account, VALIDATOR):
            candidates |= 1 << rank
            count += 1
    if count < COMMITTEE:
        log DrawFailed(number=number)
        return
    committee: uint256[3] = self._lowest(draw.seed, candidates)
    self.draws[number].committee = committee
    self.draws[number].drawn = True
    self.latest_drawn = number
    log CommitteeDrawn(number=number, committee=committee, seed=draw.seed)


@internal
@pure
def _lowest(seed: bytes32, _candidates: uint256) -> uint256[3]:
    # The three candidates whose tickets, sha256(seed || rank), are lowest; then in the order of their ranks.
    candidates: uint256 = _candidates
    chosen: uint256 = 0
    for place: uint256 in range(COMMITTEE):
        best: uint256 = MAX_POOL
        lowest: uint256 = max_value(uint256)
        for rank: uint256 in range(MAX_POOL):
            if (candidates >> rank) & 1 == 1:
                ticket: uint256 = convert(sha256(concat(seed, convert(rank, bytes32))), uint256)
                if best == MAX_POOL or ticket < lowest:
                    best = rank
                    lowest = ticket
        candidates &= ~(1 << best)
        chosen |= 1 << best
    committee: uint256[3] = empty(uint256[3])
    place: uint256 = 0
    for rank: uint256 in range(MAX_POOL):
        if (chosen >> rank) & 1 == 1:
            committee[place] = rank
            place += 1
    return committee


@external
@view
def draw(number: uint256) -> Draw:
    assert number != 0 and number <= self.draw_count, "no such draw"
    return self.draws[number]
