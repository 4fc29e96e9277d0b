# pragma version 0.4.3
# pragma evm-version london
"""
@title  The models of one study: which is current, which stable, which withdrawn, and what auditors say of each
@notice Only the study makes models known, once a majority of its committee attested one. A model that was withdrawn
        never comes back. An auditor's certificate or finding is bound to one model hash and can be replaced by its author.
"""

interface Consortium:
    def is_active(account: address, role: uint256) -> bool: view
    def member(account: address) -> Member: view

interface Study:
    def pool_rank(account: address) -> uint256: view
    def pool_size() -> uint256: view
    def pool(rank: uint256) -> address: view
    def is_idle() -> bool: view

VALIDATOR: constant(uint256) = 2
AUDITOR: constant(uint256) = 3
REVOKED: constant(uint256) = 3

UNKNOWN: constant(uint256) = 0
ATTESTED: constant(uint256) = 1
RELEASED: constant(uint256) = 2
WITHDRAWN: constant(uint256) = 3

CERTIFICATE: constant(uint256) = 1
FINDING: constant(uint256) = 2
MAX_POOL: constant(uint256) = 16
MAX_UNDONE: constant(uint256) = 1024

struct Model:
    state: uint256
    certificates: uint256
    findings: uint256
    releases: uint256

struct Member:
    role: uint256
    status: uint256
    index: uint256
    key_versions: uint256

struct Statement:
    kind: uint256
    report: bytes32
    at: uint256

event ModelAttested:
    model: indexed(bytes32)

event ModelReleased:
    model: indexed(bytes32)

event ModelWithdrawn:
    model: indexed(bytes32)
    current: indexed(bytes32)

event RollbackVoted:
    validator: indexed(address)
    model: indexed(bytes32)
    reason: String[64]

event RolledBackTo:
    model: indexed(bytes32)
    reason: String[64]

event Certified:
    model: indexed(bytes32)
    auditor: indexed(address)
    report: bytes32

event FindingFiled:
    model: indexed(bytes32)
    auditor: indexed(address)
    report: bytes32
    reason: String[64]

event StatementWithdrawn:
    model: indexed(bytes32)
    auditor: indexed(address)
    reason: String[64]

event StatementStruck:
    model: indexed(bytes32)
    auditor: indexed(address)
    reason: String[64]

deployer: immutable(address)
consortium: public(immutable(address))
requires_certificate: public(immutable(bool))

study: public(address)
initial_model: public(bytes32)
current_model: public(bytes32)
stable_model: public(bytes32)
history: public(HashMap[uint256, bytes32])  # released models that still stand, the stable one last
history_length: public(uint256)
models: HashMap[bytes32, Model]
statements: HashMap[bytes32, HashMap[address, Statement]]
rollback_votes: HashMap[bytes32, uint256]  # by ballot: one bit a validator of the pool
rollbacks: public(uint256)


@deploy
def __init__(_consortium: address, _requires_certificate: bool):
    deployer = msg.sender
    consortium = _consortium
    requires_certificate = _requires_certificate


@external
def attach(_study: address):
    assert msg.sender == deployer and self.study == empty(address), "already attached"
    assert _study.is_contract, "no contract there"
    self.study = _study


@internal
def _release(model: bytes32):
    self.models[model].state = RELEASED
    self.models[model].releases += 1
    self.history[self.history_length] = model
    self.history_length += 1
    self.stable_model = model
    log ModelReleased(model=model)


@external
def start(model: bytes32):
    assert msg.sender == self.study, "only the study"
    self.initial_model = model
    self.current_model = model
    self._release(model)


@external
def attested(model: bytes32):
    assert msg.sender == self.study, "only the study"
    state: uint256 = self.models[model].state
    assert state != WITHDRAWN, "model was withdrawn"
    if state == UNKNOWN:
        self.models[model].state = ATTESTED
    self.current_model = model
    log ModelAttested(model=model)


@external
def released():
    assert msg.sender == self.study, "only the study"
    self._release(self.current_model)


@external
def withdrawn():
    """
    @notice The study withdraws the current model, which was not released: the stable one becomes current again.
    """
    assert msg.sender == self.study, "only the study"
    model: bytes32 = self.current_model
    self.current_model = self.stable_model
    if self.models[model].state == ATTESTED:
        self.models[model].state = WITHDRAWN
        log ModelWithdrawn(model=model, current=self.stable_model)


@external
def vote_rollback(model: bytes32, reason: String[64]):
    """
    @notice A validator's vote to go back to a model released earlier, between two attempts; more than half of the
            study's validators decide. Every model released after it is withdrawn.
    """
    rank: uint256 = staticcall Study(self.study).pool_rank(msg.sender)
    assert rank != 0, "only a validator"
    assert staticcall Consortium(consortium).is_active(msg.sender, VALIDATOR), "not an active member"
    assert staticcall Study(self.study).is_idle(), "attempt still open"
    assert self.models[model].state == RELEASED, "model not released"
    assert self.models[model].findings == 0, "model has a finding"
    assert model != self.stable_model, "already the stable model"
    assert len(reason) > 0, "no reason given"
    ballot: bytes32 = keccak256(concat(model, self.stable_model, convert(self.rollbacks, bytes32)))
    votes: uint256 = self.rollback_votes[ballot]
    assert (votes >> (rank - 1)) & 1 == 0 or self._is_majority(votes), "already voted"
    votes |= 1 << (rank - 1)
    self.rollback_votes[ballot] = votes
    log RollbackVoted(validator=msg.sender, model=model, reason=reason)
    if self._is_majority(votes):
        self._roll_back(model, reason)


@internal
@view
def _is_majority(votes: uint256) -> bool:
    # A ballot stays open until the stable model changes: whoever was excluded meanwhile does not count.
    pool_size: uint256 = staticcall Study(self.study).pool_size()
    count: uint256 = 0
    for rank: uint256 in range(pool_size, bound=MAX_POOL):
        if (votes >> rank) & 1 == 1:
            account: address = staticcall Study(self.study).pool(rank)
            if staticcall Consortium(consortium).is_active(account, VALIDATOR):
                count += 1
    return 2 * count > pool_size


@internal
def _roll_back(model: bytes32, reason: String[64]):
    # A model released twice, unchanged by the second round, stands until its first release is undone.
    length: uint256 = self.history_length
    for undone: uint256 in range(MAX_UNDONE):
        last: bytes32 = self.history[length - 1]
        if last == model:
            break
        length -= 1
        self.models[last].releases -= 1
        if self.models[last].releases == 0:
            self.models[last].state = WITHDRAWN
            log ModelWithdrawn(model=last, current=model)
    assert self.history[length - 1] == model, "too far back"
    self.history_length = length
    self.current_model = model
    self.stable_model = model
    self.rollbacks += 1
    log RolledBackTo(model=model, reason=reason)


@internal
def _auditor_of(model: bytes32) -> uint256:
    assert staticcall Consortium(consortium).is_active(msg.sender, AUDITOR), "only an auditor"
    assert self.models[model].state != UNKNOWN, "model not attested"
    return self._discount(model, msg.sender)


@internal
def _discount(model: bytes32, auditor: address) -> uint256:
    kind: uint256 = self.statements[model][auditor].kind
    if kind == CERTIFICATE:
        self.models[model].certificates -= 1
    elif kind == FINDING:
        self.models[model].findings -= 1
    return kind


@external
def certify(model: bytes32, report: bytes32):
    """
    @notice An auditor certifies a model; `report` is the hash of what it measured. Replaces its own finding.
    """
    self._auditor_of(model)
    assert report != empty(bytes32), "empty hash"
    assert self.models[model].state != WITHDRAWN, "model was withdrawn"
    self.models[model].certificates += 1
    self.statements[model][msg.sender] = Statement(kind=CERTIFICATE, report=report, at=block.timestamp)
    log Certified(model=model, auditor=msg.sender, report=report)


@external
def file_finding(model: bytes32, report: bytes32, reason: String[64]):
    """
    @notice An auditor speaks against a model: nobody trains on it or predicts with it while the finding stands.
    """
    self._auditor_of(model)
    assert report != empty(bytes32), "empty hash"
    assert len(reason) > 0, "no reason given"
    self.models[model].findings += 1
    self.statements[model][msg.sender] = Statement(kind=FINDING, report=report, at=block.timestamp)
    log FindingFiled(model=model, auditor=msg.sender, report=report, reason=reason)


@external
def withdraw_statement(model: bytes32, reason: String[64]):
    assert self._auditor_of(model) != 0, "nothing to withdraw"
    assert len(reason) > 0, "no reason given"
    self.statements[model][msg.sender] = empty(Statement)
    log StatementWithdrawn(model=model, auditor=msg.sender, reason=reason)


@external
def strike_statement(model: bytes32, auditor: address, reason: String[64]):
    """
    @notice The consortium strikes what an auditor said whom it revoked: nobody else could take a finding back, and a
            certificate would stand on the word of one who was excluded.
    """
    assert msg.sender == consortium, "only by decision"
    member: Member = staticcall Consortium(consortium).member(auditor)
    assert member.role == AUDITOR and member.status == REVOKED, "auditor not revoked"
    assert len(reason) > 0, "no reason given"
    assert self._discount(model, auditor) != 0, "nothing to withdraw"
    self.statements[model][auditor] = empty(Statement)
    log StatementStruck(model=model, auditor=auditor, reason=reason)


@external
@view
def model(hash: bytes32) -> Model:
    return self.models[hash]


@external
@view
def statement(model: bytes32, auditor: address) -> Statement:
    return self.statements[model][auditor]


@external
@view
def may_train(model: bytes32) -> bool:
    return model == self.current_model and self.models[model].findings == 0 and model != empty(bytes32)


@external
@view
def may_deploy(model: bytes32) -> bool:
    record: Model = self.models[model]
    if record.state != RELEASED or record.findings != 0:
        return False
    return record.certificates != 0 or not requires_certificate
