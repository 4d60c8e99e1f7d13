"""Memory Interleave as a state machine without effects: tokens in, decisions out (paper section 3.5).

In a round the model names documents, `[i][j]...` and the end of references; their text is appended and the next round's
prefill routes again. When it ends retrieval instead, the answer turn is inserted and everything up to an end token is
the answer. Whoever decodes feeds each generated token to `advance` and does what the decision says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from msa_bench.model.prompts import (
    ANSWER_START,
    NOT_IN_MEMORY,
    SILENT,
    Prompt,
    answer_turn,
    appended_documents,
    of_role,
    question_prompt,
)
from msa_bench.model.tokenizer import TextTokenizer


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what the model may choose; hitting an upper one is recorded in `Progress.bounds` under its name here.

    A round that names fewer than `documents_read` documents also reads the best of those it routed to, and the first
    round always reads. What was read so may be named later and is then read again, so that naming says which of them
    are right. This is ours and not the paper's, and 0 but for adapters that were trained so.

    That the memory does not hold the answer is believed after `second_looks` further looks: the question goes back to
    before it ended retrieval, and has to name a document instead. This is ours too.
    """

    documents_read: int = 0
    documents_per_round: int = 8
    rounds: int = 6
    round_tokens: int = 192
    answer_tokens: int = 128
    prompt_tokens: int = 8192
    second_looks: int = 1


@dataclass(frozen=True, slots=True)
class Switches:
    """Ablations of the paper's section 4.4: no second round, and ids without their text."""

    interleave: bool = True
    original_text: bool = True


class Decision(Enum):
    """What to do after a token."""

    GO_ON = "decode the next token"
    NEXT_ROUND = "leave the batch and prefill `prompt` again"
    INSERT = "append the answer turn, then decode on"
    FINISH = "the answer is complete"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one question is. `prompt` is what the current round was prefilled with, `fresh` what came after it;
    `documents` were read, and those of them that are `named` were named too. Where the model itself ended retrieval,
    `unanswered` is the prompt before that; of its `looks` at it again the last goes on while it is `looking`, and must
    not end retrieval."""

    question: str
    prompt: Prompt
    fresh: tuple[int, ...] = ()
    inserted: tuple[int, ...] = ()
    answering: bool = False
    rounds: int = 0
    named: tuple[int, ...] = ()
    documents: tuple[int, ...] = ()
    round_documents: tuple[tuple[int, ...], ...] = ()
    bounds: tuple[str, ...] = ()
    unanswered: Prompt | None = None
    looks: int = 0
    looking: bool = False

    @property
    def answer_tokens(self) -> tuple[int, ...]:
        """Tokens of the answer so far."""
        return self.fresh if self.answering else ()


@dataclass(frozen=True)
class Interleave:
    """The machine for one model. Where it takes `text_of`, that gives a document's text, or None for an id the question
    cannot or must not see."""

    tokenizer: TextTokenizer
    limits: Limits = field(default_factory=Limits)
    switches: Switches = field(default_factory=Switches)

    def start(self, question: str) -> Progress:
        """A question before its first round."""
        return Progress(question, question_prompt(self.tokenizer, question, first_round=True))

    def advance(
        self, state: Progress, token: int, text_of: Callable[[int], str | None], routed: Sequence[int] = ()
    ) -> tuple[Progress, Decision]:
        """The state after the model wrote `token`, and what to do next. `routed` are the documents the round routed to,
        best first."""
        state = replace(state, fresh=(*state.fresh, token))
        if state.answering:
            return self._advance_answer(state, token)
        control = self.tokenizer.control
        if token == control.references_end:
            return self._end_round(state, text_of, routed)
        if state.fresh[-len(control.end_of_retrieve) :] == control.end_of_retrieve:
            if self.limits.documents_read and not state.rounds:
                return self._end_round(replace(state, fresh=()), text_of, routed)
            return self._insert_answer_turn(state), Decision.INSERT
        if token in self.tokenizer.stop_ids:
            return bounded(state, "ended_without_answer"), Decision.FINISH
        if len(state.fresh) >= self.limits.round_tokens:
            return self._end_round(bounded(state, "round_tokens"), text_of, routed)
        return state, Decision.GO_ON

    def answer_text(self, state: Progress) -> str:
        """The answer without the words a trained model begins it with."""
        return self.tokenizer.decode(state.answer_tokens).strip().removeprefix(ANSWER_START.strip()).strip()

    def _advance_answer(self, state: Progress, token: int) -> tuple[Progress, Decision]:
        if token in self.tokenizer.stop_ids:
            before, left = state.unanswered, self.limits.second_looks - state.looks
            if before is None or left <= 0 or self.answer_text(state) != NOT_IN_MEMORY:
                return state, Decision.FINISH
            return self._look_again(state, before), Decision.NEXT_ROUND
        if len(state.fresh) >= self.limits.answer_tokens:
            return bounded(state, "answer_tokens"), Decision.FINISH
        return state, Decision.GO_ON

    def _insert_answer_turn(self, state: Progress) -> Progress:
        inserted = tuple(answer_turn(self.tokenizer, state.question))
        written = state.prompt + of_role((*state.fresh, *inserted), SILENT)
        return replace(state, prompt=written, fresh=(), inserted=inserted, answering=True, unanswered=state.prompt)

    def _look_again(self, state: Progress, before: Prompt) -> Progress:
        back = replace(state, prompt=before, fresh=(), inserted=(), answering=False, unanswered=None)
        return replace(back, looks=state.looks + 1, looking=True)

    def _end_round(
        self, state: Progress, text_of: Callable[[int], str | None], routed: Sequence[int]
    ) -> tuple[Progress, Decision]:
        named = named_documents(self.tokenizer.decode(state.fresh))
        texts = {number: text for number in named if (text := text_of(number)) is not None}
        kept = sorted(texts)
        if len(kept) > self.limits.documents_per_round:
            state = bounded(state, "documents_per_round")
            kept = sorted([number for number in named if number in texts][: self.limits.documents_per_round])
        fewest = min(self.limits.documents_read, self.limits.documents_per_round)
        for number in routed:
            if len(kept) < fewest and number not in (*kept, *state.documents):
                text = text_of(number)
                if text is not None:
                    texts[number] = text
                    kept = sorted((*kept, number))
        first = question_prompt(self.tokenizer, state.question, first_round=False)
        earlier = Prompt(state.prompt.tokens[len(first.tokens) :], state.prompt.roles[len(first.tokens) :])
        end = self.tokenizer.control.references_end
        fresh = state.fresh if state.fresh[-1:] == (end,) else (*state.fresh, end)
        written = first + earlier.silenced() + of_role(fresh, SILENT)
        room = self.limits.prompt_tokens - len(written.tokens)
        while len((appended := self._appended(texts, kept)).tokens) > room and kept:
            state = bounded(state, "prompt_tokens")
            kept.pop()
        written += appended
        state = replace(
            state,
            prompt=written,
            fresh=(),
            rounds=state.rounds + 1,
            named=tuple(dict.fromkeys((*state.named, *(number for number in kept if number in named)))),
            documents=tuple(dict.fromkeys((*state.documents, *kept))),
            round_documents=(*state.round_documents, tuple(kept)),
            looking=False,
        )
        if not self.switches.interleave:
            return self._force_answer(state), Decision.NEXT_ROUND
        if "prompt_tokens" in state.bounds:
            return self._force_answer(state), Decision.NEXT_ROUND
        if state.rounds >= self.limits.rounds:
            return self._force_answer(bounded(state, "rounds")), Decision.NEXT_ROUND
        return state, Decision.NEXT_ROUND

    def _appended(self, texts: Mapping[int, str], kept: Sequence[int]) -> Prompt:
        shown = [(number, texts[number]) for number in kept] if self.switches.original_text else []
        return appended_documents(self.tokenizer, shown)

    def _force_answer(self, state: Progress) -> Progress:
        end = self.tokenizer.control.end_of_retrieve
        written = state.prompt + of_role((*end, *answer_turn(self.tokenizer, state.question)), SILENT)
        return replace(state, prompt=written, answering=True)


def named_documents(text: str) -> list[int]:
    """Document ids in `[i][j]...`, each once, in the order they were written."""
    return list(dict.fromkeys(int(number) for number in re.findall(r"\[(\d{1,18})\]", text)))


def bounded(state: Progress, name: str) -> Progress:
    """The state with the bound `name` recorded, once."""
    return replace(state, bounds=tuple(dict.fromkeys((*state.bounds, name))))
