"""Memory Sparse Attention as a system under test: encode a corpus once, then answer questions from it."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from msa_bench.contracts import Answer, Corpus, IndexReport, Progress, Question, SystemRequest, hidden_ids, no_progress
from msa_bench.errors import UserError
from msa_bench.generation.answer import Answerer, asked
from msa_bench.generation.interleave import Interleave, Limits, Switches
from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.encode import encode_corpus
from msa_bench.memory.parallel import ShardedBank, in_step, join
from msa_bench.memory.plan import parse_budget
from msa_bench.model.backbone import Backbone, load_memory_model
from msa_bench.model.config import MSAConfig
from msa_bench.model.prompts import template_head

UNTRAINED = "untrained routing: router projections are copies of the layer's query and key projections"


class MSASystem:
    """`msa`: the model's own memory, in rounds (paper sections 3.2 to 3.5)."""

    name = "msa"
    description = "Memory Sparse Attention with Memory Interleave"
    variants: Sequence[str | None] = (None,)
    ablations: ClassVar[Mapping[str, str]] = {
        "interleave": "off: one retrieval round, then the answer (on; section 4.4)",
        "original_text": "off: documents are named but their text is not appended (on; section 4.4)",
        "rope": "global: documents are numbered on from each other (document; section 3.3)",
        "ids": "free: any document id can be written, routed to or not (constrained)",
        "similarity": "dot: routing by scaled dot product; cosine: by angle (the model's own; eq. 3)",
        "top_k": "documents attended per layer and round (the model's own, 16 in the paper)",
        "rounds": "most retrieval rounds before the answer is asked for (6)",
        "documents": "most documents whose text a round appends (8)",
    }

    def __init__(self, request: SystemRequest) -> None:
        self.request = request
        chosen = dict(request.ablations)
        self.switches = Switches(
            interleave=_choice(chosen, "interleave", "on", "off") == "on",
            original_text=_choice(chosen, "original_text", "on", "off") == "on",
        )
        self.global_rope = _choice(chosen, "rope", "document", "global") == "global"
        self.constrained = _choice(chosen, "ids", "constrained", "free") == "constrained"
        names = {"rounds": "rounds", "documents": "documents_per_round"}
        self.group = join()
        self.budget = parse_budget(request.budget) if request.budget else None
        self.bounds = {names[key]: _whole(key, chosen[key]) for key in names if key in chosen}
        routing = _routing(chosen)
        self.model = _routed(load_memory_model(request.model, request.device, request.dtype), routing)
        self._corpus: Corpus | None = None
        self._bank: MemoryBank | None = None

    def describe(self) -> Mapping[str, Any]:
        """Provenance of the model and of every setting that shapes its answers."""
        msa = self._msa
        return self.model.provenance | {
            "router_layers": list(msa.router_layers),
            "chunk_tokens": msa.chunk_tokens,
            "top_k": msa.top_k,
            "similarity": msa.similarity,
            "constrained_ids": self.constrained,
            "limits": {name: getattr(self._limits, name) for name in self._limits.__dataclass_fields__},
            "notes": list(self._notes),
        }

    def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport:
        """Encode `corpus` into a memory bank."""
        began = time.perf_counter()
        self._bank = None
        # A directory of its own for every text and way of encoding, so that runs can share one.
        way = (str(self.model.dtype).removeprefix("torch."), self._msa.similarity, *["global"] * self.global_rope)
        name = "-".join((corpus.fingerprint[:16], self.model.sha256[:8], *way))
        directory = self.request.bank / name if self.request.bank else None
        local = in_step(
            self.group,
            lambda: encode_corpus(
                self.model, corpus, progress, self.global_rope, self.request.workers, self.budget, directory, self.group
            ),
        )
        self._bank = ShardedBank(local, self.group) if self.group.size > 1 else local
        self._corpus = corpus
        seconds = time.perf_counter() - began
        documents, tokens, held = self._bank.totals
        return IndexReport(documents, tokens, seconds, held, self._notes + _kept(self._bank))

    def answer(self, questions: Sequence[Question], progress: Progress = no_progress) -> Iterator[Answer]:
        """Answers in the order they finish."""
        corpus, bank = self._corpus, self._bank
        if corpus is None or bank is None:
            raise ValueError("index a corpus before answering")
        machine = Interleave(self.model.tokenizer, self._limits, self.switches)
        after_memory = len(template_head(self.model.tokenizer)) + bank.tokens if self.global_rope else None
        answerer = Answerer(self.model, bank, machine, self.constrained, self.request.batch_size, after_memory)
        seen = [
            asked(question.text, hidden_ids(corpus, question), lambda number: corpus[number].text, len(corpus))
            for question in questions
        ]
        for done, case in enumerate(answerer.answer(seen), start=1):
            progress("answer", done, len(questions), "questions")
            yield Answer(
                question_id=questions[case.index].id,
                text=machine.answer_text(case.state),
                documents=case.state.documents,
                ranking=tuple(case.ranking),
                rounds=case.state.rounds,
                bounds=case.state.bounds,
                tokens_in=case.tokens_in,
                tokens_out=case.tokens_out,
                seconds=case.seconds,
                notes=self._notes,
                trace={"rounds": [list(ids) for ids in case.state.round_documents]},
            )

    @property
    def _limits(self) -> Limits:
        return replace(
            Limits(answer_tokens=self.request.max_answer_tokens, prompt_tokens=self.model.window), **self.bounds
        )

    @property
    def _msa(self) -> MSAConfig:
        if self.model.config.msa is None:
            raise ValueError("the memory model has no memory settings")
        return self.model.config.msa

    @property
    def _notes(self) -> tuple[str, ...]:
        return () if self._msa.trained else (UNTRAINED,)


def _kept(bank: MemoryBank) -> tuple[str, ...]:
    if bank.placement.keys == "exact":
        return ()
    again = "a shortlist scored again exactly" if bank.placement.rescore else "not scored again"
    return (f"routing keys kept as {bank.placement.keys}, {again}",)


def _choice(ablations: Mapping[str, str], key: str, default: str, other: str) -> str:
    value = ablations.get(key, default)
    if value not in (default, other):
        raise UserError(f"--ablate {key}={value} is not known; {key} is {default} or {other}.")
    return value


def _whole(key: str, value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise UserError(f"--ablate {key}={value} is not known; {key} takes a whole number from 1.")
    return int(value)


def _routing(ablations: Mapping[str, str]) -> dict[str, Any]:
    """The routing settings `ablations` ask for, by their names in `MSAConfig`."""
    asked_for: dict[str, Any] = {}
    if "similarity" in ablations:
        asked_for["similarity"] = _choice(ablations, "similarity", "cosine", "dot")
    if "top_k" in ablations:
        asked_for["top_k"] = _whole("top_k", ablations["top_k"])
    return asked_for


def _routed(model: Backbone, routing: Mapping[str, Any]) -> Backbone:
    """`model` with other `routing` settings, sharing its weights."""
    msa = model.config.msa
    if msa is None:
        raise ValueError("the memory model has no memory settings")
    decoder = copy.copy(model.decoder)
    decoder.config = replace(decoder.config, msa=replace(msa, **routing))
    return replace(model, decoder=decoder)
