# pragma version 0.4.3
# pragma evm-version london
"""
@title  The hospitals' reputation in one study: how many of their updates the bound verdicts accepted and rejected
@notice Counted once a round that came to a model. Absence and messages that could not be read count neither way, for
        their cause may lie elsewhere. The reputation itself is (accepted + 1) / (accepted + rejected + 2): the expected
        value of a beta distribution (Josang and Ismail, The beta reputation system, 2002).
"""

MAX_HOSPITALS: constant(uint256) = 1024
PAGE: constant(uint256) = 256
ACCEPTED: constant(uint256) = 0
FIRST_OF_VERIFICATION: constant(uint256) = 7
# Four hospitals a word, each 32 bits of rejections above 32 bits of acceptances.
ONE_REJECTED: constant(uint256) = 2**32

event Counted:
    verdicts: Bytes[1024]

deployer: immutable(address)
study: public(address)
words: HashMap[uint256, uint256]


@deploy
def __init__():
    deployer = msg.sender


@external
def attach(_study: address):
    assert msg.sender == deployer and self.study == empty(address), "already attached"
    assert _study.is_contract, "no contract there"
    self.study = _study


@external
def count(verdicts: Bytes[1024]):
    assert msg.sender == self.study, "only the study"
    word: uint256 = 0
    changes: uint256 = 0
    for index: uint256 in range(len(verdicts), bound=MAX_HOSPITALS):
        code: uint256 = convert(slice(verdicts, index, 1), uint256)
        place: uint256 = (index & 3) << 6
        if code == ACCEPTED:
            changes |= 1 << place
        elif code >= FIRST_OF_VERIFICATION:
            changes |= ONE_REJECTED << place
        if index & 3 == 3 or index + 1 == len(verdicts):
            if changes != 0:
                word = index >> 2
                self.words[word] += changes
            changes = 0
    log Counted(verdicts=verdicts)


@external
@view
def word_page(start: uint256) -> uint256[256]:
    """
    @notice The counts of the hospitals from 4 * start on, four a word.
    """
    page: uint256[256] = empty(uint256[256])
    for offset: uint256 in range(PAGE):
        page[offset] = self.words[start + offset]
    return page
