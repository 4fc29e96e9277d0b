# pragma version 0.4.3
# pragma evm-version london
"""
@title  Access to patient records: a record opens only when most of its doctors approve, and every opening is logged
@notice A request goes under a fresh random handle, so that nothing here links to a patient: what it asks for, and of
        whom, the physician tells the hospital that keeps the record in a sealed message. The hospital names the panel
        by salted digests; a physician shows membership by revealing its salt, and the others stay unnamed.
"""

interface Consortium:
    def is_active(account: address, role: uint256) -> bool: view

HOSPITAL: constant(uint256) = 1
PHYSICIAN: constant(uint256) = 4

REQUESTED: constant(uint256) = 1
ADMITTED: constant(uint256) = 2
GRANTED: constant(uint256) = 3
REFUSED: constant(uint256) = 4
WITHDRAWN: constant(uint256) = 5

MAX_PANEL: constant(uint256) = 16
MAX_SECONDS: constant(uint256) = 2**40
PANEL_DOMAIN: constant(Bytes[18]) = b"mithridate/panel/1"

struct Request:
    state: uint256
    physician: address
    custodian: address
    purpose: bytes32
    expiry: uint256
    panel: DynArray[bytes32, 16]
    threshold: uint256
    approved: uint256  # one bit a member of the panel
    refused: uint256
    openings: uint256

event Requested:
    handle: indexed(bytes32)
    physician: indexed(address)
    custodian: indexed(address)
    purpose: bytes32
    expiry: uint256

event Admitted:
    handle: indexed(bytes32)
    panel: DynArray[bytes32, 16]
    threshold: uint256

event Approved:
    handle: indexed(bytes32)
    physician: indexed(address)

event Refused:
    handle: indexed(bytes32)
    physician: indexed(address)

event Granted:
    handle: indexed(bytes32)
    expiry: uint256

event Denied:
    handle: indexed(bytes32)

event AccessWithdrawn:
    handle: indexed(bytes32)
    by: indexed(address)

event Opened:
    handle: indexed(bytes32)
    physician: indexed(address)
    opening: uint256

consortium: public(immutable(address))
requests: HashMap[bytes32, Request]
voted: HashMap[bytes32, HashMap[address, bool]]  # whatever seats the custodian gave a physician, it has one vote


@deploy
def __init__(_consortium: address):
    consortium = _consortium


@internal
@view
def _live(handle: bytes32):
    assert self.requests[handle].state != 0, "no such request"
    assert block.timestamp < self.requests[handle].expiry, "request has expired"


@external
def request(handle: bytes32, custodian: address, purpose: bytes32, expiry: uint256):
    """
    @notice A physician asks for access at the hospital that keeps the record; `purpose` is a salted hash.
    """
    assert staticcall Consortium(consortium).is_active(msg.sender, PHYSICIAN), "only a physician"
    assert staticcall Consortium(consortium).is_active(custodian, HOSPITAL), "custodian is no hospital"
    assert handle != empty(bytes32) and purpose != empty(bytes32), "empty hash"
    assert self.requests[handle].state == 0, "handle was used"
    assert expiry > block.timestamp, "deadline has passed"
    assert expiry <= block.timestamp + MAX_SECONDS, "deadline too far"
    self.requests[handle].state = REQUESTED
    self.requests[handle].physician = msg.sender
    self.requests[handle].custodian = custodian
    self.requests[handle].purpose = purpose
    self.requests[handle].expiry = expiry
    log Requested(handle=handle, physician=msg.sender, custodian=custodian, purpose=purpose, expiry=expiry)


@external
def admit(handle: bytes32, panel: DynArray[bytes32, 16], threshold: uint256):
    """
    @notice The hospital that keeps the record names the record's doctors, each by
            sha256(domain || handle || salt || address), and how many must approve: more than half of them.
    """
    self._live(handle)
    assert msg.sender == self.requests[handle].custodian, "only the custodian"
    assert staticcall Consortium(consortium).is_active(msg.sender, HOSPITAL), "not an active member"
    assert self.requests[handle].state == REQUESTED, "wrong state"
    assert threshold <= len(panel) and 2 * threshold > len(panel), "threshold is no majority"
    for index: uint256 in range(len(panel), bound=MAX_PANEL):
        assert panel[index] != empty(bytes32), "empty hash"
        for other: uint256 in range(index, bound=MAX_PANEL):
            assert panel[other] != panel[index], "panel not distinct"
    self.requests[handle].panel = panel
    self.requests[handle].threshold = threshold
    self.requests[handle].state = ADMITTED
    log Admitted(handle=handle, panel=panel, threshold=threshold)


@internal
def _seat(handle: bytes32, salt: bytes32) -> uint256:
    self._live(handle)
    assert self.requests[handle].state == ADMITTED, "wrong state"
    assert staticcall Consortium(consortium).is_active(msg.sender, PHYSICIAN), "only a physician"
    digest: bytes32 = sha256(concat(PANEL_DOMAIN, handle, salt, convert(msg.sender, bytes32)))
    seat: uint256 = MAX_PANEL
    for index: uint256 in range(len(self.requests[handle].panel), bound=MAX_PANEL):
        if self.requests[handle].panel[index] == digest:
            seat = index
    assert seat != MAX_PANEL, "not on the panel"
    assert not self.voted[handle][msg.sender], "already voted"
    self.voted[handle][msg.sender] = True
    return seat


@internal
@pure
def _count(mask: uint256) -> uint256:
    count: uint256 = 0
    for index: uint256 in range(MAX_PANEL):
        count += (mask >> index) & 1
    return count


@external
def approve(handle: bytes32, salt: bytes32):
    seat: uint256 = self._seat(handle, salt)
    approved: uint256 = self.requests[handle].approved | (1 << seat)
    self.requests[handle].approved = approved
    log Approved(handle=handle, physician=msg.sender)
    if self._count(approved) >= self.requests[handle].threshold:
        self.requests[handle].state = GRANTED
        log Granted(handle=handle, expiry=self.requests[handle].expiry)


@external
def refuse(handle: bytes32, salt: bytes32):
    seat: uint256 = self._seat(handle, salt)
    refused: uint256 = self.requests[handle].refused | (1 << seat)
    self.requests[handle].refused = refused
    log Refused(handle=handle, physician=msg.sender)
    if len(self.requests[handle].panel) - self._count(refused) < self.requests[handle].threshold:
        self.requests[handle].state = REFUSED
        log Denied(handle=handle)


@external
def withdraw(handle: bytes32):
    """
    @notice The physician who asked, or the hospital that keeps the record, ends the access.
    """
    self._live(handle)
    custodian: bool = msg.sender == self.requests[handle].custodian
    assert custodian or msg.sender == self.requests[handle].physician, "not a party to the request"
    assert self.requests[handle].state <= GRANTED, "wrong state"
    self.requests[handle].state = WITHDRAWN
    log AccessWithdrawn(handle=handle, by=msg.sender)


@external
def log_opening(handle: bytes32):
    """
    @notice The hospital writes down, before it hands the record over, that it opens it.
    """
    self._live(handle)
    assert msg.sender == self.requests[handle].custodian, "only the custodian"
    assert staticcall Consortium(consortium).is_active(msg.sender, HOSPITAL), "not an active member"
    assert self.requests[handle].state == GRANTED, "access not granted"
    physician: address = self.requests[handle].physician
    assert staticcall Consortium(consortium).is_active(physician, PHYSICIAN), "only a physician"
    self.requests[handle].openings += 1
    log Opened(handle=handle, physician=physician, opening=self.requests[handle].openings)


@external
@view
def access_request(handle: bytes32) -> Request:
    assert self.requests[handle].state != 0, "no such request"
    return self.requests[handle]
