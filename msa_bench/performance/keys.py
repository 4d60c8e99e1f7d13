"""What 8-bit routing keys select of a memory that a model made, beside its exact ones.

    msa-bench perf keys --task niah --subtask niah_multikey_2 --length 128K --samples 16 --keys fp8,int8

Random keys, as `perf routing` has them, make neighbours in rank nearly equal; this asks what happens to real ones. The
questions are answered as in a run, with the model's own keys. Whenever a layer routes, in every round, the same query
is routed by the same keys in 8 bits too, alone and with a shortlist scored again, and by them in float32.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from msa_bench.contracts import Dataset, Progress, hidden_ids, no_progress
from msa_bench.errors import unknown
from msa_bench.generation.answer import Answerer, Case, asked
from msa_bench.generation.interleave import Interleave, Limits
from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.encode import encode_corpus
from msa_bench.memory.keys import DTYPES, RoutingKeys
from msa_bench.memory.recall import BankRecall
from msa_bench.memory.topk import Best, best
from msa_bench.model.backbone import load_memory_model
from msa_bench.performance.result import place, result
from msa_bench.performance.routing import KINDS
from msa_bench.performance.selected import in_kind, rescored, shared


@dataclass(slots=True)
class Tally:
    """Documents float32 selected, and how many of them keys of one kind did, alone and with a shortlist re-scored."""

    wanted: int = 0
    same: int = 0
    same_rescored: int = 0


class Comparing(BankRecall):
    """Routes as a run does, and counts in `tallies` what each of their kinds of keys would have selected."""

    def __init__(
        self,
        bank: MemoryBank,
        routes: Tensor,
        hidden: Sequence[Collection[int]],
        tallies: Mapping[str, Tally],
    ) -> None:
        super().__init__(bank, routes, hidden, bank.msa.top_k)
        self.tallies = tallies

    def route(self, layer: int, queries: Tensor) -> Best:
        """As `BankRecall.route`."""
        exact = self.bank.routing_keys(layer)
        in_float32 = replace(self.routing, path="torch").scores(queries.float(), RoutingKeys(exact))
        wanted = best(self.masked(in_float32), self.top_k)
        for kind, tally in self.tallies.items():
            scores = self.masked(self.routing.scores(queries, in_kind(exact, KINDS[kind])))
            same, number = shared(best(scores, self.top_k), wanted)
            again, _ = shared(rescored(self.routing, queries, scores, exact, self.top_k), wanted)
            tally.wanted += number
            tally.same += same
            tally.same_rescored += again
        return super().route(layer, queries)


def perf_keys(
    model: str,
    dataset: Dataset,
    keys: Sequence[str] = ("fp8", "int8"),
    device: str = "auto",
    dtype: str = "auto",
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """What `keys` in 8 bits select of the memory `model` makes of `dataset`, as JSON values; a row for every kind.
    `selected_same` is the share of the documents that float32 selects for all questions, layers and rounds, and
    `selected_same_rescored` that with a shortlist scored again. A `UserError` for a kind that is not of 8 bits."""
    for kind in keys:
        if kind not in DTYPES:
            raise unknown("kind of 8-bit keys", kind, DTYPES)
    tallies = {kind: Tally() for kind in keys}
    memory, corpus = load_memory_model(model, device, dtype), dataset.corpus
    msa = memory.config.msa
    assert msa is not None
    bank = encode_corpus(memory, corpus, progress)
    machine = Interleave(memory.tokenizer, Limits(msa.documents_read, prompt_tokens=memory.window))

    def recalling(bank: MemoryBank, routes: Tensor, cases: Sequence[Case]) -> BankRecall:
        return Comparing(bank, routes, [case.asked.hidden for case in cases], tallies)

    seen = [
        asked(question.text, hidden_ids(corpus, question), lambda number: corpus[number].text, len(corpus))
        for question in dataset.questions
    ]
    rounds = 0
    for done, case in enumerate(Answerer(memory, bank, machine, recalling=recalling).answer(seen), start=1):
        progress("answer", done, len(seen), "questions")
        rounds += case.state.rounds
    rows = [
        {
            "what": f"selection, {kind} keys",
            "keys": kind,
            "selected": tally.wanted,
            "selected_same": tally.same / tally.wanted,
            "selected_same_rescored": tally.same_rescored / tally.wanted,
        }
        for kind, tally in tallies.items()
    ]
    what = {
        "model": model,
        "documents": bank.documents,
        "tokens": bank.tokens,
        "questions": len(seen),
        "rounds": rounds,
        "layers": len(bank.layers),
        "top_k": msa.top_k,
    }
    return result("keys", what, memory.device, memory.dtype, rows)


def render_keys(found: dict[str, Any]) -> str:
    """What `perf_keys` measured, in a few lines of text."""
    head = (
        f"{found['model']}, {found['dtype']}, {found['device']} ({place(found)}): {found['questions']} questions over "
        f"{found['tokens']:,} tokens in {found['documents']:,} documents"
    )
    rows = (
        f"  {row['keys']:<5} of {row['selected']:,} documents selected in float32 {row['selected_same']:.2%} are, "
        f"re-scored {row['selected_same_rescored']:.2%}"
        for row in found["rows"]
    )
    return "\n".join((head, *rows))
