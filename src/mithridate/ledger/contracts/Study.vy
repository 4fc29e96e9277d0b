# pragma version 0.4.3
# pragma evm-version london
"""
@title  One study: roster, rounds, commitments, verdicts, attested models
@notice Every rule of the protocol that a party could break to its advantage is checked here, not in the client.
        Rounds count from 1, attempts of a round from 0; only the attempt opened last can be written to.
        "Late" attestations and votes, after the majority, are recorded and change nothing.
        The assumption behind the majority: at most one of a committee's three validators deviates.
        Ranks count within an attempt's committee, which is the study's validators where there are but three.
"""

interface Consortium:
    def is_active(account: address, role: uint256) -> bool: view
    def current_keys(account: address) -> Keys: view

interface Models:
    def current_model() -> bytes32: view
    def may_train(model: bytes32) -> bool: view
    def start(model: bytes32): nonpayable
    def attested(model: bytes32): nonpayable
    def released(): nonpayable
    def withdrawn(): nonpayable

interface Reputation:
    def count(verdicts: Bytes[1024]): nonpayable

interface Committees:
    def latest_drawn() -> uint256: view
    def draw(number: uint256) -> Draw: view

# An attempt's phases; 0 means never opened.
SUBMITTING: constant(uint256) = 1
CLOSED: constant(uint256) = 2
DRAWN: constant(uint256) = 3
BOUND: constant(uint256) = 4
FINAL: constant(uint256) = 5
RELEASED: constant(uint256) = 6
ROLLED_BACK: constant(uint256) = 7
VOID: constant(uint256) = 8

HOSPITAL: constant(uint256) = 1
VALIDATOR: constant(uint256) = 2
COORDINATOR: constant(uint256) = 6

COMMITTEE: constant(uint256) = 3
MAX_POOL: constant(uint256) = 16
MAJORITY: constant(uint256) = 2
ALL_RANKS: constant(uint256) = 7
MAX_HOSPITALS: constant(uint256) = 1024
PAGE: constant(uint256) = 64
MAX_SECONDS: constant(uint256) = 2**40
MAX_RECORDS: constant(uint256) = 2**40
ACCEPTED: constant(uint256) = 0
ABSENT: constant(uint256) = 1
SUSPENDED: constant(uint256) = 12
RANDOMNESS_DOMAIN: constant(Bytes[23]) = b"mithridate/randomness/1"
STUDY_DOMAIN: constant(Bytes[18]) = b"mithridate/study/1"

struct Keys:
    signing_key: Bytes[65]
    envelope_key: Bytes[33]
    since: uint256

struct Draw:
    commit_deadline: uint256
    reveal_deadline: uint256
    commitments: bytes32[16]
    committed: uint256
    revealed: uint256
    seed: bytes32
    settled: bool
    drawn: bool
    committee: uint256[3]

struct Seat:
    account: address
    records: uint256

struct Hospital:
    account: address
    signing_key: Bytes[65]
    records: uint256

struct Validator:
    account: address
    envelope_key: Bytes[33]

# Fields that end in `_mask` hold one bit a rank; lists of three hold one entry a rank, empty until it acted.
struct Attempt:
    phase: uint256
    generation: uint256
    base: bytes32
    deadline: uint256
    committee: uint256[3]
    submissions: uint256
    submitted_mask: uint256[4]
    commitments: bytes32[3]
    revealed_mask: uint256
    seed: bytes32
    close_mask: uint256
    verdict_hashes: bytes32[3]
    verdicts: Bytes[1024]
    attestations: bytes32[3]
    model: bytes32
    passed_mask: uint256
    failed_mask: uint256
    void_mask: uint256
    void_reason: String[64]

event Admitted:
    index: indexed(uint256)
    account: indexed(address)
    records: uint256

event Begun:
    initial_model: bytes32
    reference: bytes32

event RoundOpened:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    base: bytes32
    deadline: uint256
    generation: uint256
    committee: uint256[3]

event RandomnessCommitted:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    rank: indexed(uint256)
    commitment: bytes32

event Submitted:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    hospital: indexed(uint256)
    digest: bytes32

event CloseVoted:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    rank: indexed(uint256)

event SubmissionsClosed:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    submissions: uint256

event RandomnessRevealed:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    rank: indexed(uint256)
    revealed: bytes32

event Drawn:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    seed: bytes32

event VerdictsAttested:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    rank: indexed(uint256)
    verdicts: Bytes[1024]

event Bound:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    verdicts: Bytes[1024]
    accepted: uint256

event Suspended:
    hospital: indexed(uint256)
    round_number: indexed(uint256)
    attempt: indexed(uint256)

event ModelAttested:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    rank: indexed(uint256)
    model: bytes32

event Finalised:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    model: bytes32

event ReleaseVoted:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    rank: indexed(uint256)
    passed: bool

event Released:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    model: bytes32

event RolledBack:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    stable: bytes32

event VoidVoted:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    voter: indexed(address)
    reason: String[64]

event Voided:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    reason: String[64]

event Withheld:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    validator: indexed(address)

study_id: public(immutable(bytes32))
configuration: public(immutable(bytes32))
consortium: public(immutable(address))
models: public(immutable(address))
reputation: public(immutable(address))
committees: public(immutable(address))
coordinator: public(immutable(address))
pool_size: public(immutable(uint256))
quorum: public(immutable(uint256))
min_accepted: public(immutable(uint256))
grace: public(immutable(uint256))
rotation: public(immutable(uint256))

begun: public(bool)
reference: public(bytes32)
hospital_count: public(uint256)
hospitals: HashMap[uint256, Seat]
hospital_index: public(HashMap[address, uint256])  # index + 1
suspended_mask: uint256[4]  # by bound verdicts
pool: public(HashMap[uint256, address])
pool_rank: public(HashMap[address, uint256])  # rank + 1
served: HashMap[uint256, uint256]  # by draw: rounds opened with its committee

finished_round: public(uint256)
latest_round: public(uint256)
attempt_count: public(HashMap[uint256, uint256])
judged: HashMap[uint256, uint256]  # by round: attempts in which a majority attested the same verdicts
attempts: HashMap[uint256, Attempt]
digests: HashMap[uint256, HashMap[uint256, bytes32]]
accepted_counts: HashMap[uint256, HashMap[bytes32, uint256]]  # by hash of checked verdicts: accepted + 1


@deploy
def __init__(
    _consortium: address,
    _models: address,
    _reputation: address,
    _committees: address,
    _configuration: bytes32,
    _coordinator: address,
    _pool: DynArray[address, 16],
    _quorum: uint256,
    _min_accepted: uint256,
    _grace: uint256,
    _rotation: uint256,
):
    assert _configuration != empty(bytes32), "empty hash"
    assert _coordinator != empty(address), "empty address"
    # With one member the aggregate would be that hospital's update.
    assert _min_accepted >= 2, "min_accepted below 2"
    assert _quorum >= _min_accepted, "quorum below min_accepted"
    assert _quorum <= MAX_HOSPITALS, "quorum too large"
    assert _grace <= MAX_SECONDS, "grace too long"
    assert len(_pool) >= COMMITTEE, "fewer than three validators"
    assert _rotation > 0 or len(_pool) == COMMITTEE, "no rotation"
    for rank: uint256 in range(len(_pool), bound=MAX_POOL):
        account: address = _pool[rank]
        assert account != empty(address), "empty address"
        assert account != _coordinator, "address has another role"
        assert self.pool_rank[account] == 0, "validators not distinct"
        self.pool_rank[account] = rank + 1
        self.pool[rank] = account
    consortium = _consortium
    models = _models
    reputation = _reputation
    committees = _committees
    configuration = _configuration
    coordinator = _coordinator
    pool_size = len(_pool)
    quorum = _quorum
    min_accepted = _min_accepted
    grace = _grace
    rotation = _rotation
    # The parent block's hash tells apart two deployments that agree in all else.
    study_id = sha256(
        concat(
            STUDY_DOMAIN,
            convert(chain.id, bytes32),
            convert(self, bytes32),
            _configuration,
            blockhash(block.number - 1),
        )
    )


@internal
@pure
def _key(round_number: uint256, attempt: uint256) -> uint256:
    return (round_number << 128) | attempt


@internal
@view
def _rank(key: uint256) -> uint256:
    rank: uint256 = self.pool_rank[msg.sender]
    assert rank != 0, "only a validator"
    assert staticcall Consortium(consortium).is_active(msg.sender, VALIDATOR), "not an active member"
    for place: uint256 in range(COMMITTEE):
        if self.attempts[key].committee[place] == rank - 1:
            return place
    raise "not on the committee"


@internal
@view
def _open_key(round_number: uint256, attempt: uint256) -> uint256:
    assert round_number != 0, "not the latest attempt"
    assert round_number == self.latest_round, "not the latest attempt"
    assert attempt == self.attempt_count[round_number] - 1, "not the latest attempt"
    return self._key(round_number, attempt)


@internal
@pure
def _has_majority(mask: uint256) -> bool:
    return (mask & 1) + ((mask >> 1) & 1) + ((mask >> 2) & 1) >= MAJORITY


@internal
@pure
def _agreed(votes: bytes32[3], voted: bytes32) -> bool:
    equal: uint256 = 0
    for rank: uint256 in range(COMMITTEE):
        if votes[rank] == voted:
            equal += 1
    return equal >= MAJORITY


@internal
def _void(round_number: uint256, attempt: uint256, reason: String[64]):
    key: uint256 = self._key(round_number, attempt)
    if self.attempts[key].phase == CLOSED:
        for place: uint256 in range(COMMITTEE):
            if (self.attempts[key].revealed_mask >> place) & 1 == 0:
                validator: address = self.pool[self.attempts[key].committee[place]]
                log Withheld(round_number=round_number, attempt=attempt, validator=validator)
    self.attempts[key].phase = VOID
    self.attempts[key].void_reason = reason
    log Voided(round_number=round_number, attempt=attempt, reason=reason)


@internal
@view
def _idle() -> bool:
    latest: uint256 = self.latest_round
    if latest == 0:
        return True
    return self.attempts[self._key(latest, self.attempt_count[latest] - 1)].phase >= RELEASED


@internal
@view
def _envelope_key(rank: uint256) -> Bytes[33]:
    keys: Keys = staticcall Consortium(consortium).current_keys(self.pool[rank])
    return keys.envelope_key


@external
def admit(account: address, records: uint256):
    """
    @notice The consortium admits one of its hospitals to the study, before it begins.
    """
    assert msg.sender == consortium, "only by decision"
    assert not self.begun, "roster is frozen"
    assert self.hospital_index[account] == 0, "already enrolled"
    assert staticcall Consortium(consortium).is_active(account, HOSPITAL), "not an active member"
    keys: Keys = staticcall Consortium(consortium).current_keys(account)
    assert len(keys.signing_key) != 0, "signing key missing"
    assert records > 0 and records <= MAX_RECORDS, "bad record count"
    index: uint256 = self.hospital_count
    assert index < MAX_HOSPITALS, "roster is full"
    self.hospitals[index] = Seat(account=account, records=records)
    self.hospital_index[account] = index + 1
    self.hospital_count = index + 1
    log Admitted(index=index, account=account, records=records)


@external
def begin(initial_model: bytes32, _reference: bytes32):
    assert msg.sender == consortium, "only by decision"
    assert not self.begun, "already begun"
    assert initial_model != empty(bytes32) and _reference != empty(bytes32), "empty hash"
    assert self.hospital_count >= quorum, "fewer hospitals than quorum"
    for rank: uint256 in range(pool_size, bound=MAX_POOL):
        assert len(self._envelope_key(rank)) == 33, "validator key missing"
    self.begun = True
    self.reference = _reference
    extcall Models(models).start(initial_model)
    log Begun(initial_model=initial_model, reference=_reference)


@internal
def _committee() -> uint256[3]:
    if pool_size == COMMITTEE:
        return [0, 1, 2]
    number: uint256 = staticcall Committees(committees).latest_drawn()
    assert number != 0, "no committee drawn"
    assert self.served[number] < rotation, "committee due for rotation"
    self.served[number] += 1
    drawn: Draw = staticcall Committees(committees).draw(number)
    return drawn.committee


@external
def open_round(round_number: uint256, base: bytes32, deadline: uint256):
    assert msg.sender == coordinator, "only the coordinator"
    assert staticcall Consortium(consortium).is_active(msg.sender, COORDINATOR), "not an active member"
    assert self.begun, "not begun"
    assert self._idle(), "attempt still open"
    assert round_number == self.finished_round + 1, "not the next round"
    assert base == staticcall Models(models).current_model(), "not the current model"
    assert staticcall Models(models).may_train(base), "model has a finding"
    assert deadline > block.timestamp, "deadline has passed"
    assert deadline <= block.timestamp + MAX_SECONDS, "deadline too far"
    attempt: uint256 = self.attempt_count[round_number]
    self.latest_round = round_number
    self.attempt_count[round_number] = attempt + 1
    key: uint256 = self._key(round_number, attempt)
    generation: uint256 = self.judged[round_number]
    committee: uint256[3] = self._committee()
    self.attempts[key].phase = SUBMITTING
    self.attempts[key].generation = generation
    self.attempts[key].base = base
    self.attempts[key].deadline = deadline
    self.attempts[key].committee = committee
    log RoundOpened(
        round_number=round_number,
        attempt=attempt,
        base=base,
        deadline=deadline,
        generation=generation,
        committee=committee,
    )


@external
def commit_randomness(round_number: uint256, attempt: uint256, commitment: bytes32):
    key: uint256 = self._open_key(round_number, attempt)
    rank: uint256 = self._rank(key)
    assert self.attempts[key].phase == SUBMITTING, "wrong phase"
    assert commitment != empty(bytes32), "empty hash"
    assert self.attempts[key].commitments[rank] == empty(bytes32), "already committed"
    for other: uint256 in range(COMMITTEE):
        # A copied commitment, revealed after the original, would cancel it from the XOR.
        assert self.attempts[key].commitments[other] != commitment, "commitment copied"
    self.attempts[key].commitments[rank] = commitment
    log RandomnessCommitted(round_number=round_number, attempt=attempt, rank=rank, commitment=commitment)


@external
def submit(round_number: uint256, attempt: uint256, digest: bytes32):
    index: uint256 = self.hospital_index[msg.sender]
    assert index != 0, "only an enrolled hospital"
    assert staticcall Consortium(consortium).is_active(msg.sender, HOSPITAL), "not an active member"
    index -= 1
    key: uint256 = self._open_key(round_number, attempt)
    assert self.attempts[key].phase == SUBMITTING, "wrong phase"
    assert block.timestamp < self.attempts[key].deadline, "deadline has passed"
    assert digest != empty(bytes32), "empty hash"
    assert (self.suspended_mask[index >> 8] >> (index & 255)) & 1 == 0, "suspended"
    for rank: uint256 in range(COMMITTEE):
        assert self.attempts[key].commitments[rank] != empty(bytes32), "randomness not committed"
    assert self.digests[key][index] == empty(bytes32), "already submitted"
    self.digests[key][index] = digest
    self.attempts[key].submitted_mask[index >> 8] |= 1 << (index & 255)
    self.attempts[key].submissions += 1
    log Submitted(round_number=round_number, attempt=attempt, hospital=index, digest=digest)


@external
def close_submissions(round_number: uint256, attempt: uint256):
    key: uint256 = self._open_key(round_number, attempt)
    rank: uint256 = self._rank(key)
    assert self.attempts[key].phase == SUBMITTING, "wrong phase"
    expired: bool = block.timestamp >= self.attempts[key].deadline
    mask: uint256 = self.attempts[key].close_mask
    assert expired or (mask >> rank) & 1 == 0, "already voted"
    mask |= 1 << rank
    self.attempts[key].close_mask = mask
    log CloseVoted(round_number=round_number, attempt=attempt, rank=rank)
    if not expired and not self._has_majority(mask):
        return
    count: uint256 = self.attempts[key].submissions
    log SubmissionsClosed(round_number=round_number, attempt=attempt, submissions=count)
    if count < quorum:
        self._void(round_number, attempt, "quorum")
    else:
        self.attempts[key].phase = CLOSED


@external
def reveal_randomness(round_number: uint256, attempt: uint256, revealed: bytes32):
    key: uint256 = self._open_key(round_number, attempt)
    rank: uint256 = self._rank(key)
    mask: uint256 = self.attempts[key].revealed_mask
    assert (mask >> rank) & 1 == 0, "already revealed"
    assert self.attempts[key].phase == CLOSED, "wrong phase"
    commitment: bytes32 = sha256(concat(RANDOMNESS_DOMAIN, revealed))
    assert commitment == self.attempts[key].commitments[rank], "not what was committed"
    mask |= 1 << rank
    seed: bytes32 = convert(
        convert(self.attempts[key].seed, uint256) ^ convert(revealed, uint256), bytes32
    )
    self.attempts[key].revealed_mask = mask
    self.attempts[key].seed = seed
    log RandomnessRevealed(round_number=round_number, attempt=attempt, rank=rank, revealed=revealed)
    if mask == ALL_RANKS:
        self.attempts[key].phase = DRAWN
        log Drawn(round_number=round_number, attempt=attempt, seed=seed)


@internal
@view
def _count_accepted(key: uint256, verdicts: Bytes[1024]) -> uint256:
    accepted: uint256 = 0
    submitted: uint256[4] = self.attempts[key].submitted_mask
    for index: uint256 in range(len(verdicts), bound=MAX_HOSPITALS):
        code: uint256 = convert(slice(verdicts, index, 1), uint256)
        if (submitted[index >> 8] >> (index & 255)) & 1 == 0:
            assert code != ACCEPTED, "accepted but not submitted"
            assert code == ABSENT, "not submitted but not absent"
        elif code == ACCEPTED:
            accepted += 1
    return accepted


@internal
def _suspend(round_number: uint256, attempt: uint256, verdicts: Bytes[1024]):
    for index: uint256 in range(len(verdicts), bound=MAX_HOSPITALS):
        if convert(slice(verdicts, index, 1), uint256) == SUSPENDED:
            self.suspended_mask[index >> 8] |= 1 << (index & 255)
            log Suspended(hospital=index, round_number=round_number, attempt=attempt)


@external
def attest_verdicts(round_number: uint256, attempt: uint256, verdicts: Bytes[1024]):
    key: uint256 = self._open_key(round_number, attempt)
    rank: uint256 = self._rank(key)
    late: bool = len(self.attempts[key].verdicts) != 0
    assert late or self.attempts[key].phase == DRAWN, "wrong phase"
    assert self.attempts[key].verdict_hashes[rank] == empty(bytes32), "already attested"
    assert len(verdicts) == self.hospital_count, "one verdict a hospital"
    verdict_hash: bytes32 = keccak256(verdicts)
    accepted: uint256 = self.accepted_counts[key][verdict_hash]
    if accepted == 0:
        accepted = self._count_accepted(key, verdicts) + 1
        self.accepted_counts[key][verdict_hash] = accepted
    accepted -= 1
    self.attempts[key].verdict_hashes[rank] = verdict_hash
    log VerdictsAttested(round_number=round_number, attempt=attempt, rank=rank, verdicts=verdicts)
    if late or not self._agreed(self.attempts[key].verdict_hashes, verdict_hash):
        return
    self.attempts[key].verdicts = verdicts
    self.judged[round_number] += 1
    if accepted < min_accepted:
        self._void(round_number, attempt, "too few accepted")
    else:
        self.attempts[key].phase = BOUND
        self._suspend(round_number, attempt, verdicts)
        log Bound(round_number=round_number, attempt=attempt, verdicts=verdicts, accepted=accepted)


@external
def attest_model(round_number: uint256, attempt: uint256, model: bytes32):
    key: uint256 = self._open_key(round_number, attempt)
    rank: uint256 = self._rank(key)
    late: bool = self.attempts[key].model != empty(bytes32)
    assert late or self.attempts[key].phase == BOUND, "wrong phase"
    assert self.attempts[key].attestations[rank] == empty(bytes32), "already attested"
    assert model != empty(bytes32), "empty hash"
    self.attempts[key].attestations[rank] = model
    log ModelAttested(round_number=round_number, attempt=attempt, rank=rank, model=model)
    if late or not self._agreed(self.attempts[key].attestations, model):
        return
    self.attempts[key].model = model
    self.attempts[key].phase = FINAL
    # A vote to void from before the majority, and one validator more, are no majority against this model.
    self.attempts[key].void_mask = 0
    extcall Models(models).attested(model)
    log Finalised(round_number=round_number, attempt=attempt, model=model)


@external
def vote_release(round_number: uint256, attempt: uint256, passed: bool):
    key: uint256 = self._open_key(round_number, attempt)
    rank: uint256 = self._rank(key)
    phase: uint256 = self.attempts[key].phase
    assert phase == FINAL or phase == RELEASED or phase == ROLLED_BACK, "wrong phase"
    passes: uint256 = self.attempts[key].passed_mask
    failures: uint256 = self.attempts[key].failed_mask
    assert ((passes | failures) >> rank) & 1 == 0, "already voted"
    if passed:
        passes |= 1 << rank
        self.attempts[key].passed_mask = passes
    else:
        failures |= 1 << rank
        self.attempts[key].failed_mask = failures
    log ReleaseVoted(round_number=round_number, attempt=attempt, rank=rank, passed=passed)
    if phase != FINAL:
        return
    if self._has_majority(passes):
        self.attempts[key].phase = RELEASED
        extcall Models(models).released()
        log Released(round_number=round_number, attempt=attempt, model=self.attempts[key].model)
    elif self._has_majority(failures):
        self.attempts[key].phase = ROLLED_BACK
        extcall Models(models).withdrawn()
        log RolledBack(
            round_number=round_number, attempt=attempt, stable=staticcall Models(models).current_model()
        )
    else:
        return
    self.finished_round = round_number
    extcall Reputation(reputation).count(self.attempts[key].verdicts)


@external
def vote_void(round_number: uint256, attempt: uint256, reason: String[64]):
    key: uint256 = self._open_key(round_number, attempt)
    phase: uint256 = self.attempts[key].phase
    assert phase < RELEASED, "wrong phase"
    assert len(reason) > 0, "no reason given"
    expired: bool = block.timestamp >= self.attempts[key].deadline + grace
    # A model that a majority attested is not for one party to undo.
    alone: bool = expired and phase != FINAL
    mask: uint256 = self.attempts[key].void_mask
    if msg.sender == coordinator:
        assert staticcall Consortium(consortium).is_active(msg.sender, COORDINATOR), "not an active member"
        assert phase != FINAL, "wrong phase"
        assert expired, "grace has not passed"
    else:
        assert self.pool_rank[msg.sender] != 0, "only validators, coordinator"
        rank: uint256 = self._rank(key)
        assert alone or (mask >> rank) & 1 == 0, "already voted"
        mask |= 1 << rank
        self.attempts[key].void_mask = mask
    log VoidVoted(round_number=round_number, attempt=attempt, voter=msg.sender, reason=reason)
    if not alone and not self._has_majority(mask):
        return
    if phase == FINAL:
        extcall Models(models).withdrawn()
    self._void(round_number, attempt, reason)


@external
@view
def attempt_state(round_number: uint256, attempt: uint256) -> Attempt:
    assert attempt < self.attempt_count[round_number], "no such attempt"
    return self.attempts[self._key(round_number, attempt)]


@external
@view
def digest_page(round_number: uint256, attempt: uint256, start: uint256) -> DynArray[bytes32, 64]:
    """
    @notice Digests of the hospitals from `start` on, empty for those that did not submit.
    """
    page: DynArray[bytes32, 64] = []
    key: uint256 = self._key(round_number, attempt)
    for offset: uint256 in range(PAGE):
        if start + offset >= self.hospital_count:
            break
        page.append(self.digests[key][start + offset])
    return page


@external
@view
def hospital_page(start: uint256) -> DynArray[Hospital, 64]:
    page: DynArray[Hospital, 64] = []
    for offset: uint256 in range(PAGE):
        if start + offset >= self.hospital_count:
            break
        seat: Seat = self.hospitals[start + offset]
        keys: Keys = staticcall Consortium(consortium).current_keys(seat.account)
        page.append(
            Hospital(account=seat.account, signing_key=keys.signing_key, records=seat.records)
        )
    return page


@external
@view
def validators() -> DynArray[Validator, 16]:
    page: DynArray[Validator, 16] = []
    for rank: uint256 in range(pool_size, bound=MAX_POOL):
        page.append(Validator(account=self.pool[rank], envelope_key=self._envelope_key(rank)))
    return page


@external
@view
def suspended_word(word: uint256) -> uint256:
    """
    @notice One bit a hospital from 256 * word on: suspended by bound verdicts, or no active member any more.
    """
    mask: uint256 = self.suspended_mask[word]
    for offset: uint256 in range(256):
        index: uint256 = (word << 8) + offset
        if index >= self.hospital_count:
            break
        if not staticcall Consortium(consortium).is_active(self.hospitals[index].account, HOSPITAL):
            mask |= 1 << offset
    return mask


@external
@view
def is_idle() -> bool:
    return self._idle()


@external
@view
def may_draw() -> bool:
    """
    @notice Whether the committee drawn last has served its attempts. Before, the coordinator could draw again until it
            likes the outcome; so a committee is given up only once an attempt with it came to nothing, or a member of
            it is no active validator any more.
    """
    number: uint256 = staticcall Committees(committees).latest_drawn()
    served: uint256 = self.served[number]
    if number == 0 or served >= rotation:
        return True
    latest: uint256 = self.latest_round
    if served != 0 and self.attempts[self._key(latest, self.attempt_count[latest] - 1)].phase == VOID:
        return True
    drawn: Draw = staticcall Committees(committees).draw(number)
    for rank: uint256 in drawn.committee:
        if not staticcall Consortium(consortium).is_active(self.pool[rank], VALIDATOR):
            return True
    return False
