# pragma version 0.4.3
# pragma evm-version london
"""
@title  One study: roster, rounds, commitments, verdicts, model hashes
@notice Every rule of the protocol that a party could break to its advantage is checked here, not in the client.
        Rounds count from 1, attempts of a round from 0; only the attempt opened last can be written to.
        "Late" attestations and votes, after the majority, are recorded and change nothing.
        The assumption behind the majority: at most one of the three validators deviates.
"""

# An attempt's phases; 0 means never opened.
SUBMITTING: constant(uint256) = 1
CLOSED: constant(uint256) = 2
DRAWN: constant(uint256) = 3
BOUND: constant(uint256) = 4
FINAL: constant(uint256) = 5
RELEASED: constant(uint256) = 6
ROLLED_BACK: constant(uint256) = 7
VOID: constant(uint256) = 8

COMMITTEE: constant(uint256) = 3
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

event Enrolled:
    index: indexed(uint256)
    account: address
    signing_key: Bytes[65]
    records: uint256

event ValidatorKeyRegistered:
    rank: indexed(uint256)
    envelope_key: Bytes[33]

event Begun:
    initial_model: bytes32
    reference: bytes32

event RoundOpened:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    base: bytes32
    deadline: uint256
    generation: uint256

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

study_id: public(immutable(bytes32))
configuration: public(immutable(bytes32))
administrator: public(immutable(address))
coordinator: public(immutable(address))
quorum: public(immutable(uint256))
min_accepted: public(immutable(uint256))
grace: public(immutable(uint256))

begun: public(bool)
initial_model: public(bytes32)
reference: public(bytes32)
current_model: public(bytes32)
stable_model: public(bytes32)
hospital_count: public(uint256)
hospitals: HashMap[uint256, Hospital]
hospital_index: public(HashMap[address, uint256])  # index + 1
suspended_mask: public(uint256[4])
validators: Validator[3]
validator_rank: HashMap[address, uint256]  # rank + 1

finished_round: public(uint256)
latest_round: public(uint256)
attempt_count: public(HashMap[uint256, uint256])
bindings: HashMap[uint256, uint256]  # by round: attempts whose verdicts were bound
attempts: HashMap[uint256, Attempt]
digests: HashMap[uint256, HashMap[uint256, bytes32]]
accepted_counts: HashMap[uint256, HashMap[bytes32, uint256]]  # by hash of checked verdicts: accepted + 1


@deploy
def __init__(
    _configuration: bytes32,
    _coordinator: address,
    _validators: address[3],
    _quorum: uint256,
    _min_accepted: uint256,
    _grace: uint256,
):
    assert _configuration != empty(bytes32), "empty hash"
    assert _coordinator != empty(address), "empty address"
    # With one member the aggregate would be that hospital's update.
    assert _min_accepted >= 2, "min_accepted below 2"
    assert _quorum >= _min_accepted, "quorum below min_accepted"
    assert _quorum <= MAX_HOSPITALS, "quorum too large"
    assert _grace <= MAX_SECONDS, "grace too long"
    for rank: uint256 in range(COMMITTEE):
        account: address = _validators[rank]
        assert account != empty(address), "empty address"
        assert account != _coordinator, "address has another role"
        assert account != msg.sender, "address has another role"
        assert self.validator_rank[account] == 0, "validators not distinct"
        self.validator_rank[account] = rank + 1
        self.validators[rank].account = account
    configuration = _configuration
    administrator = msg.sender
    coordinator = _coordinator
    quorum = _quorum
    min_accepted = _min_accepted
    grace = _grace
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
def _rank() -> uint256:
    rank: uint256 = self.validator_rank[msg.sender]
    assert rank != 0, "only a validator"
    return rank - 1


@internal
@view
def _open_key(round_number: uint256, attempt: uint256) -> uint256:
    assert round_number != 0, "not the latest attempt"
    assert round_number == self.latest_round, "not the latest attempt"
    assert attempt + 1 == self.attempt_count[round_number], "not the latest attempt"
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
    self.attempts[key].phase = VOID
    self.attempts[key].void_reason = reason
    log Voided(round_number=round_number, attempt=attempt, reason=reason)


@external
def enrol(account: address, signing_key: Bytes[65], records: uint256) -> uint256:
    assert msg.sender == administrator, "only the administrator"
    assert not self.begun, "roster is frozen"
    assert account != empty(address), "empty address"
    assert self.hospital_index[account] == 0, "already enrolled"
    assert self.validator_rank[account] == 0, "address has another role"
    assert account != coordinator and account != administrator, "address has another role"
    prefix: uint256 = 0
    if len(signing_key) > 0:
        prefix = convert(slice(signing_key, 0, 1), uint256)
    if len(signing_key) == 33:
        assert prefix == 2 or prefix == 3, "bad signing key"
    else:
        assert len(signing_key) == 65 and prefix == 4, "bad signing key"
    assert records > 0 and records <= MAX_RECORDS, "bad record count"
    index: uint256 = self.hospital_count
    assert index < MAX_HOSPITALS, "roster is full"
    self.hospitals[index] = Hospital(account=account, signing_key=signing_key, records=records)
    self.hospital_index[account] = index + 1
    self.hospital_count = index + 1
    log Enrolled(index=index, account=account, signing_key=signing_key, records=records)
    return index


@external
def register_validator_key(envelope_key: Bytes[33]):
    rank: uint256 = self._rank()
    assert not self.begun, "roster is frozen"
    assert len(self.validators[rank].envelope_key) == 0, "key already registered"
    assert len(envelope_key) == 33, "bad envelope key"
    prefix: uint256 = convert(slice(envelope_key, 0, 1), uint256)
    assert prefix == 2 or prefix == 3, "bad envelope key"
    self.validators[rank].envelope_key = envelope_key
    log ValidatorKeyRegistered(rank=rank, envelope_key=envelope_key)


@external
def begin(initial_model: bytes32, reference: bytes32):
    assert msg.sender == administrator, "only the administrator"
    assert not self.begun, "already begun"
    assert initial_model != empty(bytes32) and reference != empty(bytes32), "empty hash"
    assert self.hospital_count >= quorum, "fewer hospitals than quorum"
    for rank: uint256 in range(COMMITTEE):
        assert len(self.validators[rank].envelope_key) == 33, "validator key missing"
    self.begun = True
    self.initial_model = initial_model
    self.reference = reference
    self.current_model = initial_model
    self.stable_model = initial_model
    log Begun(initial_model=initial_model, reference=reference)


@external
def open_round(round_number: uint256, base: bytes32, deadline: uint256) -> uint256:
    assert msg.sender == coordinator, "only the coordinator"
    assert self.begun, "not begun"
    latest: uint256 = self.latest_round
    if latest != 0:
        previous: uint256 = self._key(latest, self.attempt_count[latest] - 1)
        assert self.attempts[previous].phase >= RELEASED, "attempt still open"
    assert round_number == self.finished_round + 1, "not the next round"
    assert base == self.current_model, "not the current model"
    assert deadline > block.timestamp, "deadline has passed"
    assert deadline <= block.timestamp + MAX_SECONDS, "deadline too far"
    attempt: uint256 = self.attempt_count[round_number]
    self.latest_round = round_number
    self.attempt_count[round_number] = attempt + 1
    key: uint256 = self._key(round_number, attempt)
    generation: uint256 = self.bindings[round_number]
    self.attempts[key].phase = SUBMITTING
    self.attempts[key].generation = generation
    self.attempts[key].base = base
    self.attempts[key].deadline = deadline
    log RoundOpened(
        round_number=round_number, attempt=attempt, base=base, deadline=deadline, generation=generation
    )
    return attempt


@external
def commit_randomness(round_number: uint256, attempt: uint256, commitment: bytes32):
    rank: uint256 = self._rank()
    key: uint256 = self._open_key(round_number, attempt)
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
    rank: uint256 = self._rank()
    key: uint256 = self._open_key(round_number, attempt)
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
    rank: uint256 = self._rank()
    key: uint256 = self._open_key(round_number, attempt)
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
    rank: uint256 = self._rank()
    key: uint256 = self._open_key(round_number, attempt)
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
    if accepted < min_accepted:
        self._void(round_number, attempt, "too few accepted")
    else:
        self.attempts[key].phase = BOUND
        self._suspend(round_number, attempt, verdicts)
        self.bindings[round_number] += 1
        log Bound(round_number=round_number, attempt=attempt, verdicts=verdicts, accepted=accepted)


@external
def attest_model(round_number: uint256, attempt: uint256, model: bytes32):
    rank: uint256 = self._rank()
    key: uint256 = self._open_key(round_number, attempt)
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
    self.current_model = model
    log Finalised(round_number=round_number, attempt=attempt, model=model)


@external
def vote_release(round_number: uint256, attempt: uint256, passed: bool):
    rank: uint256 = self._rank()
    key: uint256 = self._open_key(round_number, attempt)
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
        self.finished_round = round_number
        self.stable_model = self.current_model
        log Released(round_number=round_number, attempt=attempt, model=self.current_model)
    elif self._has_majority(failures):
        self.attempts[key].phase = ROLLED_BACK
        self.finished_round = round_number
        self.current_model = self.stable_model
        log RolledBack(round_number=round_number, attempt=attempt, stable=self.stable_model)


@external
def vote_void(round_number: uint256, attempt: uint256, reason: String[64]):
    rank: uint256 = self.validator_rank[msg.sender]
    assert rank != 0 or msg.sender == coordinator, "only validators, coordinator"
    key: uint256 = self._open_key(round_number, attempt)
    assert self.attempts[key].phase < FINAL, "wrong phase"
    assert len(reason) > 0, "no reason given"
    expired: bool = block.timestamp >= self.attempts[key].deadline + grace
    assert expired or rank != 0, "grace has not passed"
    mask: uint256 = self.attempts[key].void_mask
    if rank != 0:
        assert expired or (mask >> (rank - 1)) & 1 == 0, "already voted"
        mask |= 1 << (rank - 1)
        self.attempts[key].void_mask = mask
    log VoidVoted(round_number=round_number, attempt=attempt, voter=msg.sender, reason=reason)
    if expired or self._has_majority(mask):
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
        page.append(self.hospitals[start + offset])
    return page


@external
@view
def committee() -> Validator[3]:
    return self.validators
