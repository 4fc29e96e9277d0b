"""Which node of a list to believe: the first that is up and not behind, or as many as must answer alike.

Reads are asked at one final block, named by its hash, so that honest nodes cannot differ: two answers to one question
mean that a node lies or is broken. With `agreement` 1 the study trusts the node that it asks, its own. With 2 or more
it believes what that many nodes say alike; the guarantee is void if that many of the listed nodes' operators collude.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from mithridate.errors import LedgerError
from mithridate.ledger.endpoint import Endpoint, EndpointFailed, Head, Refused, Unreachable
from mithridate.ledger.network import Reverted

Answer = TypeVar("Answer")

RETRY_S = 0.1
HEAD_KEPT_S = 0.05
"""One question to the ledger is several reads: they may share the same last block."""
STALE_S = 30.0
"""A node whose last block is older than this is compared with the others of the list."""
REST_S = 2.0
"""A node that gave no answer is asked last for this long."""
LOG = logging.getLogger("mithridate.ledger")


@dataclass(frozen=True)
class Said(Generic[Answer]):
    """What a node said of a contract: one answer, or what the contract returned when it refused."""

    answer: tuple[Answer, ...] = ()
    refusal: bytes | None = None


Answers = dict[Said[Answer], list[Endpoint]]
"""Each answer given, with the endpoints that gave it."""


class Nodes:
    """The endpoints of one network; safe to use from several threads.

    Args:
        endpoints: in order of preference; with `agreement` above 1, each run by another organisation.
        agreement: how many must answer alike.
        finality: blocks on top of a block from which on it counts as final.
        patience: seconds to go on asking before a LedgerError.
        chain_id: the chain's number; None takes the first answer.
    """

    def __init__(
        self, endpoints: Sequence[Endpoint], *, agreement: int, finality: int, patience: float, chain_id: int | None
    ) -> None:
        self._endpoints = tuple(endpoints)
        self.agreement = agreement
        self.finality = finality
        self._patience = patience
        self._chain_id = chain_id
        self._lock = threading.Lock()
        self._floor = 0
        self._genesis: bytes | None = None
        self._greeted: set[Endpoint] = set()
        self._resting: dict[Endpoint, float] = {}
        self._heads: dict[Endpoint, tuple[float, Head]] = {}
        self._anchors: dict[Endpoint, tuple[bytes, Head]] = {}
        self._suspects: dict[Endpoint, str] = {}

    @property
    def suspects(self) -> dict[str, str]:
        """Endpoints that answered otherwise than the agreeing majority, and to what."""
        return {endpoint.name: why for endpoint, why in self._suspects.items()}

    def chain_id(self) -> int:
        """The chain's number, the same at every endpoint used."""
        self.first(lambda endpoint: None)
        return self._chain_id or 0

    def seen(self, number: int) -> None:
        """Takes note that a block is final: from now on a node without it is behind."""
        with self._lock:
            self._floor = max(self._floor, number)

    def ordered(self) -> list[Endpoint]:
        """The endpoints, those that lately gave no answer or a false one last."""
        now = time.monotonic()
        return sorted(self._endpoints, key=lambda each: (each in self._suspects, self._resting.get(each, 0) > now))

    def attempt(
        self, endpoint: Endpoint, question: Callable[[Endpoint], Answer], notes: dict[str, str]
    ) -> tuple[Answer, ...]:
        """The answer of one endpoint, nothing if it gave none, and then why, in `notes`."""
        try:
            self._greet(endpoint)
            return (question(endpoint),)
        except EndpointFailed as error:
            self._resting[endpoint] = time.monotonic() + REST_S
            if isinstance(error, Unreachable):
                with self._lock:
                    self._greeted.discard(endpoint)
            notes[endpoint.name] = str(error)
            return ()

    def first(self, question: Callable[[Endpoint], Answer]) -> Answer:
        """The answer of the first endpoint that gives one; Refused and Reverted pass through."""
        return self._patiently(
            lambda notes: (answer for each in self.ordered() for answer in self.attempt(each, question, notes))
        )

    def several(self, question: Callable[[Endpoint], Answer]) -> list[Answer]:
        """The answers, alike or not, of the first `agreement` endpoints that give one; Refused and Reverted pass."""

        def ask(notes: dict[str, str]) -> Iterator[list[Answer]]:
            answers = (answer for each in self.ordered() for answer in self.attempt(each, question, notes))
            found = list(islice(answers, self.agreement))
            if len(found) == self.agreement:
                yield found

        return self._patiently(ask)

    def agreed(self, question: Callable[[Endpoint, Head], Answer], *, final: bool = True) -> Answer:
        """What `agreement` endpoints answer alike about the last final block.

        Args:
            question: asked at a block; its answers can be compared and hashed.
            final: False asks at an endpoint's last block, which may yet be replaced.

        Raises:
            Reverted: they say so of the contract.
            LedgerError: too few answered, or they answered differently.
        """
        said = self._patiently(
            lambda notes: (
                said
                for source in self.ordered()
                for anchor in self.attempt(source, self.anchor if final else self.head, notes)
                for said in self._anchored(source, anchor, question, notes, final=final)
            )
        )
        return _outcome(said)

    def alike(self, question: Callable[[Endpoint], Answer], about: str) -> Answer:
        """What `agreement` endpoints answer alike about something on which honest nodes cannot differ.

        Args:
            question: its answers can be compared and hashed.
            about: the same in words.

        Raises:
            Reverted: they say so of the contract.
            LedgerError: too few answered, or they answered differently.
        """
        return _outcome(self._patiently(lambda notes: self._alike(self.ordered(), question, about, notes)))

    def shared_height(self) -> int:
        """Number of the last block that `agreement` endpoints have; Refused passes through."""

        def ask(notes: dict[str, str]) -> Iterator[int]:
            heads = [head for each in self.ordered() for head in self.attempt(each, Endpoint.head, notes)]
            yield from sorted((head.number for head in heads), reverse=True)[self.agreement - 1 : self.agreement]

        return self._patiently(ask)

    def accuse(self, endpoint: Endpoint, why: str) -> None:
        """Takes note that an endpoint lies or is broken; from now on it is asked last."""
        self._suspects[endpoint] = why
        LOG.warning("%s %s: it lies or is broken, tell its operator", endpoint.name, why)

    def _anchored(
        self,
        source: Endpoint,
        anchor: Head,
        question: Callable[[Endpoint, Head], Answer],
        notes: dict[str, str],
        *,
        final: bool,
    ) -> "Iterator[Said[Answer]]":
        order = [source, *(each for each in self.ordered() if each is not source)]
        about = f"block {anchor.number}"
        for said in self._alike(order, lambda endpoint: question(endpoint, anchor), about, notes):
            if final:
                self.seen(anchor.number)
            yield said

    def _alike(
        self, order: Sequence[Endpoint], question: Callable[[Endpoint], Answer], about: str, notes: dict[str, str]
    ) -> "Iterator[Said[Answer]]":
        answers: Answers[Answer] = {}
        for endpoint in order:
            for said in self.attempt(endpoint, lambda each: _said(question, each, about), notes):
                answers.setdefault(said, []).append(endpoint)
                if len(answers[said]) == self.agreement:
                    self._accuse(answers, said, about)
                    yield said
                    return
        if len(answers) > 1:
            raise self._contradiction(answers, about)

    def anchor(self, endpoint: Endpoint) -> Head:
        """The last block that an endpoint holds as final."""
        head = self.head(endpoint)
        if self.finality == 0:
            return head
        above, anchor = self._anchors.get(endpoint, (b"", head))
        if above != head.hash:
            anchor = endpoint.block(max(head.number - self.finality, 0))
            self._anchors[endpoint] = (head.hash, anchor)
        return anchor

    def head(self, endpoint: Endpoint) -> Head:
        """An endpoint's last block, at most `HEAD_KEPT_S` old.

        Raises:
            EndpointFailed: it lacks a block seen as final before, or stands still while others go on.
        """
        kept = self._heads.get(endpoint)
        needed = self._floor + self.finality if self._floor else 0
        if kept is not None and time.monotonic() - kept[0] < HEAD_KEPT_S and kept[1].number >= needed:
            return kept[1]
        head = endpoint.head()
        self._heads[endpoint] = (time.monotonic(), head)
        if head.number < needed:
            raise EndpointFailed(f"is behind: its last block is {head.number}, {needed} was seen before")
        if time.time() - head.timestamp > STALE_S:
            self._compare(endpoint, head)
        return head

    def close(self) -> None:
        """Gives back the connections."""
        for endpoint in self._endpoints:
            endpoint.close()

    def _compare(self, endpoint: Endpoint, head: Head) -> None:
        others = [each for each in self._endpoints if each is not endpoint]
        furthest = max((other.number for each in others for other in self.attempt(each, Endpoint.head, {})), default=0)
        if furthest > head.number + self.finality + 1:
            age = int(time.time() - head.timestamp)
            more = furthest - head.number
            raise EndpointFailed(f"is behind: its last block is {age} s old, another node has {more} more")

    def _accuse(self, answers: "Answers[Answer]", believed: "Said[Answer]", about: str) -> None:
        for outcome, saying in answers.items():
            for endpoint in saying if outcome != believed else ():
                self.accuse(endpoint, f"answered otherwise than {self.agreement} other nodes about {about}")

    def _contradiction(self, answers: "Answers[Answer]", about: str) -> LedgerError:
        names = " and ".join(endpoint.name for saying in answers.values() for endpoint in saying)
        return LedgerError(
            f"{names} answer differently about the same {about}: one of them lies or is broken. "
            "Ask their operators, and list a third organisation's node to tell which"
        )

    def _greet(self, endpoint: Endpoint) -> None:
        # Once a connection: a node that came back may have been set up for another chain.
        if endpoint in self._greeted:
            return
        chain, genesis = endpoint.chain_id(), endpoint.block(0).hash
        with self._lock:
            if self._chain_id not in (None, chain) or self._genesis not in (None, genesis):
                raise EndpointFailed(f"is a node of another chain (number {chain}, genesis {genesis.hex()[:16]})")
            self._chain_id, self._genesis = chain, genesis
            self._greeted.add(endpoint)

    def _patiently(self, ask: Callable[[dict[str, str]], Iterator[Answer]]) -> Answer:
        deadline = time.monotonic() + self._patience
        while True:
            notes: dict[str, str] = {}
            for answer in ask(notes):
                return answer
            if time.monotonic() > deadline:
                raise self.silence(notes)
            time.sleep(RETRY_S)

    def silence(self, notes: dict[str, str]) -> LedgerError:
        """The error of too few usable answers."""
        wanted = (
            "no node of the network answers" if self.agreement == 1 else f"fewer than {self.agreement} nodes answer"
        )
        told = "; ".join(f"{name} {why}" for name, why in notes.items())
        return LedgerError(f"{wanted} ({told}): start the node, or list another organisation's endpoint too")


def _said(question: Callable[[Endpoint], Answer], endpoint: Endpoint, about: str) -> Said[Answer]:
    # A refusal by the contract is an answer too, and nodes must agree on it.
    try:
        return Said((question(endpoint),))
    except Reverted as refusal:
        return Said(refusal=refusal.output)
    except Refused as error:
        raise EndpointFailed(f"answers {error.text!r} about {about}") from error


def _outcome(said: Said[Answer]) -> Answer:
    if said.refusal is not None:
        raise Reverted(said.refusal)
    return said.answer[0]
