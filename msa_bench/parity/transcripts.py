"""The interleave state machine of a golden case, driven by scripted tokens.

Our state machine decides per question. The released one decides per batch: a row that has ended waits until every row
has, then either all that want to are prefilled again, or, if no row does, the answer turn is inserted. `_Call` keeps to
that timetable so that forwards can be compared one by one; what is fed, where and as what comes from our machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from msa_bench.errors import UserError
from msa_bench.generation.decode import Session
from msa_bench.generation.interleave import Decision, Interleave, Limits, Progress
from msa_bench.model.prompts import ROUTES, SILENT, of_role
from msa_bench.parity.case import Case, Computed
from msa_bench.parity.recording import RecordedRecall, prefill

FILE = "transcripts.json"
_MANY = 1 << 30
_UNBOUNDED = Limits(documents_per_round=_MANY, rounds=_MANY, round_tokens=_MANY, answer_tokens=_MANY, second_looks=0)


@torch.inference_mode()
def transcripts(case: Case) -> Computed | None:
    """The tensors of `transcripts.safetensors`; None where the case has no script."""
    path = case.directory / FILE
    if not path.is_file():
        return None
    try:
        scenarios: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} cannot be read as JSON ({error}).") from error
    computed = Computed(
        identical=dict.fromkeys(("token ids", "positions", "roles", "forwards"), True),
        notes=[
            "from the inserted answer turn on, logits are not compared: the released code attends it without causality",
            "a question that is answered is not compared any more: the released code goes on feeding its row",
        ],
    )
    for name, calls in scenarios.items():
        _scenario(case, name, calls, computed)
    return computed


def _scenario(case: Case, name: str, calls: Sequence[Mapping[str, Any]], computed: Computed) -> None:
    machine = Interleave(case.model.tokenizer, _UNBOUNDED)
    states = [machine.start(question) for question in calls[0]["prompts"]]
    for number, script in enumerate(calls):
        call = _Call(case, machine, [_Row(state) for state in states])
        forced = [forward["forced_next"] for forward in script["forwards"]]
        for step, forward in enumerate(call.run(forced)):
            prefix = f"{name}.call{number}.fwd{step}."
            computed.tensors |= {prefix + part: value for part, value in forward.tensors.items()}
            computed.compared[prefix + "last_logits"] = torch.tensor([row.comparable for row in forward.rows])
            _check(forward.rows, script["forwards"][step], computed.identical)
        computed.identical["forwards"] &= call.ended and step + 1 == len(forced)
        states = [row.state for row in call.rows if row.decision is not Decision.FINISH]
        if not states:
            break


@dataclass
class _Row:
    """One question in a call. `pending` are the tokens fed next; `fed` what the last forward was given."""

    state: Progress
    decision: Decision = Decision.GO_ON
    pending: tuple[int, ...] = ()
    role: int = SILENT
    inserted: bool = False
    session: Session | None = None
    recall: RecordedRecall | None = None
    logits: Tensor = field(default_factory=lambda: torch.empty(0))

    @property
    def idle(self) -> bool:
        """Whether the row has ended and been fed the token it ended with."""
        return self.decision is not Decision.GO_ON and not self.pending


@dataclass(frozen=True)
class _Fed:
    """What one forward fed to a row, and whether its logits can be compared."""

    tokens: tuple[int, ...]
    positions: tuple[int, ...]
    roles: tuple[int, ...]
    answered: bool
    comparable: bool


@dataclass(frozen=True)
class _Forward:
    rows: list[_Fed]
    tensors: dict[str, Tensor]


@dataclass
class _Call:
    """One generate() call of the released engine."""

    case: Case
    machine: Interleave
    rows: list[_Row]
    ended: bool = False

    def run(self, forced: Sequence[Sequence[int]]) -> Iterator[_Forward]:
        """Forward after forward; `forced[n]` are the tokens put in place of what the n-th forward would choose."""
        for row in self.rows:
            row.session, row.recall = prefill(self.case, [row.state.prompt], sum(map(len, forced)) + 256)
        for step, tokens in enumerate(forced):
            fed = [self._feed(row, first=step == 0) for row in self.rows]
            tensors = {"last_logits": torch.stack([row.logits for row in self.rows])}
            if step == 0:
                selected = [row.recall.selected() for row in self.rows if row.recall is not None]
                tensors |= {part: torch.cat([one[part] for one in selected]) for part in selected[0]}
            yield _Forward(fed, tensors)
            for row, token in zip(self.rows, tokens, strict=True):
                if row.decision is Decision.GO_ON:
                    row.state, row.decision = self.machine.advance(row.state, token, self.case.text_of)
                    row.pending = (token,)
            if self._over():
                self.ended = True
                return

    def _feed(self, row: _Row, first: bool) -> _Fed:
        assert row.session is not None
        prompt = row.state.prompt if first else of_role(row.pending, row.role)
        answered = row.decision is Decision.FINISH
        if not prompt.tokens:
            return _Fed((), (), (), answered, comparable=not answered and not row.inserted)
        start = int(row.session.next_position[0])
        row.logits = row.session.feed([prompt.tokens], row.recall if first else None)[0]
        row.pending, row.role = (), SILENT
        positions = tuple(range(start, start + len(prompt.tokens)))
        return _Fed(prompt.tokens, positions, prompt.roles, answered, comparable=not row.inserted)

    def _over(self) -> bool:
        """Whether the call ends here; inserts the answer turn where it does not and every row waits."""
        if all(row.decision is Decision.FINISH for row in self.rows):
            return True
        if not all(row.idle for row in self.rows):
            return False
        if any(row.decision is Decision.NEXT_ROUND for row in self.rows):
            return True
        for row in self.rows:
            if row.decision is Decision.INSERT:
                # In the released code the inserted turn has the role of routing tokens, but nothing routes any more.
                row.decision, row.pending, row.role, row.inserted = Decision.GO_ON, row.state.inserted, ROUTES, True
        return False


def _check(rows: Sequence[_Fed], forward: Mapping[str, Any], identical: dict[str, bool]) -> None:
    """Compare what was fed with a recorded forward, where rows are padded and roles carry their whole history."""
    if "input_ids" not in forward:
        return  # A script alone: there is nothing recorded.
    if len(rows) != len(forward["input_ids"]):
        identical["forwards"] = False
        return
    for number, fed in enumerate(rows):
        real = [place for place, mask in enumerate(forward["attention_mask"][number]) if mask]
        if not fed.tokens and (not real or fed.answered):
            continue
        width = len(forward["input_ids"][number])
        recorded = (
            ("token ids", forward["input_ids"][number], fed.tokens),
            ("positions", forward["position_ids"][number], fed.positions),
            ("roles", forward["doc_ids"][number][-width:], fed.roles),
        )
        for what, theirs, ours in recorded:
            identical[what] &= tuple(theirs[place] for place in real) == ours
