"""A study's contracts as a `Ledger`: the protocol's words in, calls of contracts out, whichever network holds them."""

from mithridate.ledger.calls.access import AccessCalls
from mithridate.ledger.calls.draws import DrawCalls
from mithridate.ledger.calls.membership import MembershipCalls
from mithridate.ledger.calls.models import ModelCalls
from mithridate.ledger.calls.notices import NoticeCalls
from mithridate.ledger.calls.rounds import RoundCalls


class ContractLedger(RoundCalls, MembershipCalls, ModelCalls, DrawCalls, AccessCalls, NoticeCalls):
    """See `Ledger`; one account's view of a study's contracts, safe to use from several threads."""
