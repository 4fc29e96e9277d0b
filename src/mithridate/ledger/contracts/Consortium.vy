# pragma version 0.4.3
# pragma evm-version london
"""
@title  The consortium: who belongs to it in which role, with which keys, decided by m of n administrators
@notice Administrators act only through `decide`: the m-th equal vote makes the consortium itself call the target, so
        that every contract of a study obeys the consortium's address and no single administrator.
        An account has one role for good. Whoever is suspended or revoked acts in no contract any more.
"""

HOSPITAL: constant(uint256) = 1
VALIDATOR: constant(uint256) = 2
AUDITOR: constant(uint256) = 3
PHYSICIAN: constant(uint256) = 4
ADMINISTRATOR: constant(uint256) = 5
COORDINATOR: constant(uint256) = 6

ACTIVE: constant(uint256) = 1
SUSPENDED: constant(uint256) = 2
REVOKED: constant(uint256) = 3

MAX_ADMINISTRATORS: constant(uint256) = 32
MAX_DATA: constant(uint256) = 2048
PAGE: constant(uint256) = 64

struct Member:
    role: uint256
    status: uint256
    index: uint256
    key_versions: uint256

struct Keys:
    signing_key: Bytes[65]
    envelope_key: Bytes[33]
    since: uint256

struct Entry:
    account: address
    status: uint256
    keys: Keys

struct Ballot:
    opened: uint256
    votes: uint256

event Voted:
    action: indexed(bytes32)
    administrator: indexed(address)
    target: address
    data: Bytes[2048]

event Decided:
    action: indexed(bytes32)
    target: address
    data: Bytes[2048]

event Enrolled:
    account: indexed(address)
    role: indexed(uint256)
    index: uint256

event KeysRegistered:
    account: indexed(address)
    version: uint256
    signing_key: Bytes[65]
    envelope_key: Bytes[33]

event StatusChanged:
    account: indexed(address)
    status: uint256
    reason: String[64]

event ThresholdSet:
    threshold: uint256

event StudyAdded:
    number: indexed(uint256)
    study: indexed(address)

ballot_seconds: public(immutable(uint256))

threshold: public(uint256)
active_administrators: public(uint256)  # one bit an administrator, by index
studies: public(HashMap[uint256, address])
study_count: public(uint256)
role_counts: public(HashMap[uint256, uint256])
accounts: public(HashMap[uint256, HashMap[uint256, address]])  # by role and index
members: HashMap[address, Member]
keys: HashMap[address, HashMap[uint256, Keys]]  # by version, from 1
executed: public(HashMap[bytes32, uint256])
ballots: HashMap[bytes32, Ballot]


@deploy
def __init__(administrators: DynArray[address, 32], _threshold: uint256, _ballot_seconds: uint256):
    assert _threshold > 0 and _threshold <= len(administrators), "bad threshold"
    assert _ballot_seconds > 0 and _ballot_seconds <= 2**40, "bad ballot duration"
    ballot_seconds = _ballot_seconds
    self.threshold = _threshold
    for account: address in administrators:
        self._enrol(account, ADMINISTRATOR)
    log ThresholdSet(threshold=_threshold)


@internal
def _enrol(account: address, role: uint256):
    assert account != empty(address) and account != self, "empty address"
    assert role >= HOSPITAL and role <= COORDINATOR, "no such role"
    member: Member = self.members[account]
    assert member.role == 0 or member.role == role, "address has another role"
    assert member.role == 0, "already enrolled"
    index: uint256 = self.role_counts[role]
    if role == ADMINISTRATOR:
        assert index < MAX_ADMINISTRATORS, "too many administrators"
        self.active_administrators |= 1 << index
    self.members[account] = Member(role=role, status=ACTIVE, index=index, key_versions=0)
    self.accounts[role][index] = account
    self.role_counts[role] = index + 1
    log Enrolled(account=account, role=role, index=index)


@internal
def _register_keys(account: address, signing_key: Bytes[65], envelope_key: Bytes[33]):
    # An empty key leaves the one before in force.
    if len(signing_key) != 0:
        prefix: uint256 = convert(slice(signing_key, 0, 1), uint256)
        compressed: bool = len(signing_key) == 33 and (prefix == 2 or prefix == 3)
        assert compressed or (len(signing_key) == 65 and prefix == 4), "bad signing key"
    if len(envelope_key) != 0:
        assert len(envelope_key) == 33, "bad envelope key"
        prefix: uint256 = convert(slice(envelope_key, 0, 1), uint256)
        assert prefix == 2 or prefix == 3, "bad envelope key"
    assert len(signing_key) + len(envelope_key) != 0, "no key given"
    version: uint256 = self.members[account].key_versions
    keys: Keys = self.keys[account][version]
    if len(signing_key) != 0:
        keys.signing_key = signing_key
    if len(envelope_key) != 0:
        keys.envelope_key = envelope_key
    keys.since = block.timestamp
    self.keys[account][version + 1] = keys
    self.members[account].key_versions = version + 1
    log KeysRegistered(
        account=account, version=version + 1, signing_key=keys.signing_key, envelope_key=keys.envelope_key
    )


@internal
@pure
def _count(mask: uint256) -> uint256:
    count: uint256 = 0
    for index: uint256 in range(MAX_ADMINISTRATORS):
        count += (mask >> index) & 1
    return count


@internal
@view
def _enough(votes: uint256) -> bool:
    return self._count(votes & self.active_administrators) >= self.threshold


@external
def decide(target: address, data: Bytes[2048]):
    """
    @notice An administrator's vote that the consortium calls `target` with `data`. Votes of one ballot count for
            `ballot_seconds`; after that the next vote opens a new one. Where a lower threshold or a reinstated
            administrator made a ballot's votes enough, whoever voted may call again to have it decided.
    """
    voter: Member = self.members[msg.sender]
    assert voter.role == ADMINISTRATOR and voter.status == ACTIVE, "only an administrator"
    assert target.is_contract, "no contract there"
    action: bytes32 = keccak256(concat(convert(target, bytes32), data))
    ballot: bytes32 = keccak256(concat(action, convert(self.executed[action], bytes32)))
    votes: uint256 = self.ballots[ballot].votes
    opened: uint256 = self.ballots[ballot].opened
    if opened == 0 or block.timestamp >= opened + ballot_seconds:
        votes = 0
        self.ballots[ballot].opened = block.timestamp
    assert (votes >> voter.index) & 1 == 0 or self._enough(votes), "already voted"
    votes |= 1 << voter.index
    self.ballots[ballot].votes = votes
    log Voted(action=action, administrator=msg.sender, target=target, data=data)
    if not self._enough(votes):
        return
    self.executed[action] += 1
    log Decided(action=action, target=target, data=data)
    raw_call(target, data)


@external
def enrol(account: address, role: uint256, signing_key: Bytes[65], envelope_key: Bytes[33]):
    assert msg.sender == self, "only by decision"
    self._enrol(account, role)
    if len(signing_key) + len(envelope_key) != 0:
        self._register_keys(account, signing_key, envelope_key)


@external
def set_status(account: address, status: uint256, reason: String[64]):
    """
    @notice Suspends (2), reinstates (1) or, for good, revokes (3) a member.
    """
    assert msg.sender == self, "only by decision"
    member: Member = self.members[account]
    assert member.role != 0, "not a member"
    assert member.status != REVOKED, "revoked"
    assert status >= ACTIVE and status <= REVOKED and status != member.status, "bad status"
    assert len(reason) > 0, "no reason given"
    self.members[account].status = status
    if member.role == ADMINISTRATOR:
        mask: uint256 = self.active_administrators
        if status == ACTIVE:
            mask |= 1 << member.index
        else:
            mask &= ~(1 << member.index)
        assert self._count(mask) >= self.threshold, "fewer administrators than threshold"
        self.active_administrators = mask
    log StatusChanged(account=account, status=status, reason=reason)


@external
def set_threshold(_threshold: uint256):
    assert msg.sender == self, "only by decision"
    assert _threshold > 0 and _threshold <= self._count(self.active_administrators), "bad threshold"
    self.threshold = _threshold
    log ThresholdSet(threshold=_threshold)


@external
def add_study(study: address):
    assert msg.sender == self, "only by decision"
    assert study.is_contract, "no contract there"
    number: uint256 = self.study_count
    self.studies[number] = study
    self.study_count = number + 1
    log StudyAdded(number=number, study=study)


@external
def register_keys(signing_key: Bytes[65], envelope_key: Bytes[33]):
    """
    @notice A member registers its keys, or replaces them; an empty one leaves the one before in force.
    """
    assert self.members[msg.sender].status == ACTIVE, "not an active member"
    self._register_keys(msg.sender, signing_key, envelope_key)


@external
@view
def is_active(account: address, role: uint256) -> bool:
    member: Member = self.members[account]
    return member.role == role and member.status == ACTIVE


@external
@view
def member(account: address) -> Member:
    return self.members[account]


@external
@view
def current_keys(account: address) -> Keys:
    return self.keys[account][self.members[account].key_versions]


@external
@view
def keys_of_version(account: address, version: uint256) -> Keys:
    assert version > 0 and version <= self.members[account].key_versions, "no such version"
    return self.keys[account][version]


@external
@view
def entry_page(role: uint256, start: uint256) -> DynArray[Entry, 64]:
    page: DynArray[Entry, 64] = []
    for offset: uint256 in range(PAGE):
        if start + offset >= self.role_counts[role]:
            break
        account: address = self.accounts[role][start + offset]
        member: Member = self.members[account]
        page.append(
            Entry(account=account, status=member.status, keys=self.keys[account][member.key_versions])
        )
    return page
