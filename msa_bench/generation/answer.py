"""Answering questions over a memory bank: rounds of routing and decoding, in batches."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from msa_bench.generation.decode import Session
from msa_bench.generation.ids import RoundGrammar
from msa_bench.generation.interleave import Decision, Interleave, Progress, bounded
from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.recall import BankRecall, routing_mask
from msa_bench.model.backbone import Backbone
from msa_bench.model.passes import template_pass
from msa_bench.model.prompts import ROUTES, template_head

OPEN_BATCHES = 4
"""Batches of questions that are open at a time, to choose prompts of about one length from."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the memory sees it: its `text`, the documents `hidden` from it, and how to fetch the others."""

    text: str
    hidden: Collection[int]
    text_of: Callable[[int], str | None]


@dataclass(slots=True)
class Case:
    """A question on its way; `ranking` is the retrieval order of the first round, `routed` the best of this one."""

    index: int
    asked: Asked
    state: Progress
    seconds: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    ranking: list[int] = field(default_factory=list)
    routed: list[int] = field(default_factory=list)
    grammar: RoundGrammar | None = None


Recalling = Callable[[MemoryBank, Tensor, Sequence[Case]], BankRecall]
"""Makes the recall of one prefill: the bank, which tokens route (bool `[batch, tokens]`), and the batch's cases."""


def by_score(bank: MemoryBank, routes: Tensor, cases: Sequence[Case]) -> BankRecall:
    """The model's own routing."""
    return BankRecall(bank, routes, [case.asked.hidden for case in cases], bank.msa.top_k)


@dataclass(frozen=True)
class Answerer:
    """Greedy answers of one memory model over one bank.

    `constrained` lets a round name only documents it routed to. Positions of a prompt start after the template head and
    one place per selectable document, as in the released engine; `first_position` overrides that (the global RoPE
    ablation, where a prompt follows the whole memory). `recalling` routes; other ways are ablations.
    """

    model: Backbone
    bank: MemoryBank
    machine: Interleave
    constrained: bool = True
    batch_size: int = 8
    first_position: int | None = None
    recalling: Recalling = by_score

    def answer(self, questions: Sequence[Asked]) -> Iterator[Case]:
        """Finished cases, in the order they finish; `index` is the place in `questions`.

        A batch takes the shortest prompts of the questions that are open: all its prompts are padded to the longest,
        and one that holds the text of many documents would make a question's first round as dear as its own.
        """
        waiting = deque(Case(index, asked, self.machine.start(asked.text)) for index, asked in enumerate(questions))
        head = self._template()
        under_way: list[Case] = []
        while waiting or under_way:
            # New ones come a whole batch at a time, as their prompts are about equally long.
            if len(under_way) <= (OPEN_BATCHES - 1) * self.batch_size:
                under_way += [waiting.popleft() for _ in range(min(self.batch_size, len(waiting)))]
            under_way.sort(key=lambda case: len(case.state.prompt.tokens))
            batch, under_way = under_way[: self.batch_size], under_way[self.batch_size :]
            for case, decision in self._round(batch, head):
                if decision is Decision.FINISH:
                    yield case
                else:
                    under_way.append(case)

    @torch.inference_mode()
    def _template(self) -> list[tuple[Tensor, Tensor]]:
        return template_pass(self.model.decoder, template_head(self.model.tokenizer))

    def _round(self, cases: list[Case], head: list[tuple[Tensor, Tensor]]) -> Iterator[tuple[Case, Decision]]:
        """Prefill every case and decode until each has ended its round or its answer."""
        limits = self.machine.limits
        prompts = [case.state.prompt for case in cases]
        recall = self.recalling(self.bank, routing_mask([prompt.roles for prompt in prompts], ROUTES), cases)
        head_tokens = head[0][0].shape[1]
        first = self.first_position if self.first_position is not None else head_tokens + self.bank.msa.top_k
        room = head_tokens + max(len(prompt.tokens) for prompt in prompts) + limits.round_tokens + limits.answer_tokens
        session = Session(self.model.decoder, len(cases), room, first, head)
        feed: list[Sequence[int]] = [prompt.tokens for prompt in prompts]
        active, prefill = list(cases), True
        while active:
            began = time.perf_counter()
            logits = session.feed(feed, recall if prefill else None)
            if prefill:
                for row, case in enumerate(active):
                    self._routed(case, recall, row)
            chosen = self._choose(logits, active)
            share = (time.perf_counter() - began) / len(active)
            going: list[int] = []
            feed_next: list[Sequence[int]] = []
            for row, (case, token) in enumerate(zip(active, chosen, strict=True)):
                case.seconds += share
                # After the prefill, the first token of a feed is the one the model wrote.
                case.tokens_in += len(feed[row]) - (0 if prefill else 1)
                case.tokens_out += 1
                case.state, decision = self.machine.advance(case.state, token, case.asked.text_of, case.routed)
                if decision in (Decision.GO_ON, Decision.INSERT):
                    going.append(row)
                    feed_next.append([token, *case.state.inserted] if decision is Decision.INSERT else [token])
                else:
                    yield case, decision
            active, feed, prefill = [active[row] for row in going], feed_next, False
            session.keep(going)

    def _routed(self, case: Case, recall: BankRecall, row: int) -> None:
        if self.machine.limits.documents_read or not case.ranking:
            case.routed = recall.ranking(row)
            case.ranking = case.ranking or case.routed
        free = [number for number in recall.candidates(row) if number not in case.state.named]
        constrain = self.constrained and not case.state.answering
        most = self.machine.limits.documents_per_round
        case.grammar = RoundGrammar(self.model.tokenizer, free, most) if constrain else None

    def _choose(self, logits: Tensor, cases: Sequence[Case]) -> list[int]:
        """The best token of each row, of those it may write; the device is waited for once."""
        looking = [row for row, case in enumerate(cases) if case.state.looking and not case.state.answering]
        if looking:
            logits = logits.clone()
            logits[looking, self.model.tokenizer.control.end_of_retrieve[0]] = -torch.inf
        bound = {row: case.grammar for row, case in enumerate(cases) if case.grammar and not case.state.answering}
        for row, grammar in bound.items():
            if grammar.full:
                cases[row].state = bounded(cases[row].state, "documents_per_round")
        allowed = [bound[row].allowed() if row in bound else [] for row in range(len(cases))]
        most = max(map(len, allowed))
        best = logits.argmax(1)
        if most:
            # Lists are filled up with their first token; a row without one takes its best.
            padded = [own + own[:1] * (most - len(own)) if own else [0] * most for own in allowed]
            options = torch.tensor(padded).to(logits.device)
            among = options.gather(1, logits.gather(1, options).argmax(1, keepdim=True))[:, 0]
            free = torch.tensor([not own for own in allowed]).to(logits.device)
            best = torch.where(free, best, among)
        chosen: list[int] = best.tolist()
        for row, grammar in bound.items():
            grammar.accept(chosen[row])
        return chosen


def asked(text: str, hidden: frozenset[int], corpus_text: Callable[[int], str], documents: int) -> Asked:
    """A question over a corpus of `documents`, with unknown and hidden ids answered by None."""

    def text_of(number: int) -> str | None:
        return corpus_text(number) if 0 <= number < documents and number not in hidden else None

    return Asked(text, hidden, text_of)
