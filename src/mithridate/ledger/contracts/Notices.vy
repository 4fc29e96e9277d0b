# pragma version 0.4.3
# pragma evm-version london
"""
@title  What the hospitals of one study say of it: complaints about an attempt, and refusals of the study
@notice Statements, and nothing more: no other contract asks for them, so no hospital stops the others by one. A
        complaint stands for good; a refusal is current until the hospital that made it takes it back.
"""

interface Consortium:
    def is_active(account: address, role: uint256) -> bool: view

interface Study:
    def hospital_index(account: address) -> uint256: view
    def hospital_count() -> uint256: view
    def attempt_count(round_number: uint256) -> uint256: view
    def digest_page(round_number: uint256, attempt: uint256, start: uint256) -> DynArray[bytes32, 64]: view

HOSPITAL: constant(uint256) = 1
PAGE: constant(uint256) = 64

struct Complaint:
    round_number: uint256
    attempt: uint256
    hospital: uint256
    at: uint256
    reason: String[64]

struct Refusal:
    at: uint256
    reason: String[64]

event Complained:
    round_number: indexed(uint256)
    attempt: indexed(uint256)
    hospital: indexed(uint256)
    reason: String[64]

event StudyRefused:
    hospital: indexed(uint256)
    reason: String[64]

event RefusalWithdrawn:
    hospital: indexed(uint256)
    reason: String[64]

deployer: immutable(address)
consortium: public(immutable(address))

study: public(address)
complaint_count: public(uint256)
refusal_count: public(uint256)  # of those that are current
complaints: HashMap[uint256, Complaint]  # by number, from 1
numbers: HashMap[uint256, HashMap[uint256, HashMap[uint256, uint256]]]  # by round, attempt and hospital
refusals: HashMap[uint256, Refusal]  # by hospital


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
def _hospital() -> uint256:
    # One that verdicts suspended may speak: a forged submission could be why.
    index: uint256 = staticcall Study(self.study).hospital_index(msg.sender)
    assert index != 0, "only an enrolled hospital"
    assert staticcall Consortium(consortium).is_active(msg.sender, HOSPITAL), "not an active member"
    return index - 1


@external
def complain(round_number: uint256, attempt: uint256, reason: String[64]):
    """
    @notice A hospital says that what it committed in an attempt was not answered by a verdict as it should.
    """
    hospital: uint256 = self._hospital()
    assert attempt < staticcall Study(self.study).attempt_count(round_number), "no such attempt"
    digests: DynArray[bytes32, 64] = staticcall Study(self.study).digest_page(round_number, attempt, hospital)
    assert digests[0] != empty(bytes32), "nothing submitted"
    assert self.numbers[round_number][attempt][hospital] == 0, "already complained"
    assert len(reason) > 0, "no reason given"
    number: uint256 = self.complaint_count + 1
    self.complaint_count = number
    self.numbers[round_number][attempt][hospital] = number
    self.complaints[number] = Complaint(
        round_number=round_number, attempt=attempt, hospital=hospital, at=block.timestamp, reason=reason
    )
    log Complained(round_number=round_number, attempt=attempt, hospital=hospital, reason=reason)


@external
def refuse(reason: String[64]):
    """
    @notice A hospital says that its site's policy does not accept this study.
    """
    hospital: uint256 = self._hospital()
    assert self.refusals[hospital].at == 0, "already refused"
    assert len(reason) > 0, "no reason given"
    self.refusals[hospital] = Refusal(at=block.timestamp, reason=reason)
    self.refusal_count += 1
    log StudyRefused(hospital=hospital, reason=reason)


@external
def withdraw_refusal(reason: String[64]):
    hospital: uint256 = self._hospital()
    assert self.refusals[hospital].at != 0, "nothing to withdraw"
    assert len(reason) > 0, "no reason given"
    self.refusals[hospital] = empty(Refusal)
    self.refusal_count -= 1
    log RefusalWithdrawn(hospital=hospital, reason=reason)


@external
@view
def complaint(round_number: uint256, attempt: uint256, hospital: uint256) -> Complaint:
    """
    @notice What a hospital complained of in an attempt; empty if it did not.
    """
    return self.complaints[self.numbers[round_number][attempt][hospital]]


@external
@view
def complaint_page(start: uint256) -> DynArray[Complaint, 64]:
    """
    @notice The complaints that follow the first `start`, in the order in which they were made.
    """
    page: DynArray[Complaint, 64] = []
    for offset: uint256 in range(PAGE):
        if start + offset >= self.complaint_count:
            break
        page.append(self.complaints[start + offset + 1])
    return page


@external
@view
def refusal(hospital: uint256) -> Refusal:
    """
    @notice The current refusal of a hospital; empty if there is none.
    """
    return self.refusals[hospital]


@external
@view
def refusal_page(start: uint256) -> DynArray[Refusal, 64]:
    """
    @notice The current refusals of the hospitals from `start` on, empty for those that do not refuse.
    """
    page: DynArray[Refusal, 64] = []
    count: uint256 = staticcall Study(self.study).hospital_count()
    for offset: uint256 in range(PAGE):
        if start + offset >= count:
            break
        page.append(self.refusals[start + offset])
    return page
