"""Memory Sparse Attention as a system under test: encode a corpus once, then answer questions from it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar

from msa_bench.ablations import HELP, NOTES, encoding, parse
from msa_bench.contracts import Answer, Corpus, IndexReport, Progress, Question, SystemRequest, hidden_ids, no_progress
from msa_bench.errors import UserError
from msa_bench.generation.answer import Answerer, Recalling, asked, by_score
from msa_bench.generation.forced import OracleRouting, RandomRouting
from msa_bench.generation.interleave import Interleave, Limits, Switches
from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.encode import encode_corpus, own_directory
from msa_bench.memory.files import is_begun
from msa_bench.memory.parallel import ShardedBank, in_step, join
from msa_bench.memory.plan import parse_budget
from msa_bench.model.backbone import load_memory_model
from msa_bench.model.config import MSAConfig
from msa_bench.model.prompts import template_head
from msa_bench.model.rerouting import rerouted
from msa_bench.seeding import derive

UNTRAINED = "untrained routing: router projections are copies of the layer's query and key projections"


class MSASystem:
    """`msa`: the model's own memory, in rounds (paper sections 3.2 to 3.5)."""

    name = "msa"
    description = "Memory Sparse Attention with Memory Interleave"
    variants: Sequence[str | None] = (None,)
    ablations: ClassVar[Mapping[str, str]] = HELP
    encoding = staticmethod(encoding)

    def __init__(self, request: SystemRequest) -> None:
        self.request = request
        self.chosen = chosen = parse(request.ablations)
        self.switches = Switches(chosen.interleave, chosen.original_text)
        self.group = join()
        self.budget = parse_budget(request.budget) if request.budget else None
        model = load_memory_model(request.model, request.device, request.dtype)
        self.model = rerouted(model, chosen.msa, chosen.router_layers, untrained=chosen.routing == "untrained")
        self._corpus: Corpus | None = None
        self._bank: MemoryBank | None = None

    def describe(self) -> Mapping[str, Any]:
        """Provenance of the model and of every setting that shapes its answers."""
        msa, limits = self._msa, asdict(self._limits)
        if not limits["documents_read"]:
            del limits["documents_read"]
        return (
            self.model.provenance
            | {
                "router_layers": list(msa.router_layers),
                "chunk_tokens": msa.chunk_tokens,
                "top_k": msa.top_k,
                "similarity": msa.similarity,
                "constrained_ids": self.chosen.constrained,
                "limits": limits,
                "notes": list(self._notes),
                # What came later is left out where it is not used, so that older runs are still the same run.
            }
            | ({} if self.chosen.routing == "own" else {"routing": self.chosen.routing})
            | ({} if msa.keys_per_chunk == 1 else {"keys_per_chunk": msa.keys_per_chunk})
        )

    def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport:
        """Encode `corpus` into a memory bank."""
        began = time.perf_counter()
        self._bank = None
        # A directory of its own for every text and way of encoding, so that runs can share one.
        directory = self.request.bank / self._bank_name(corpus) if self.request.bank else None
        reused = directory is not None and is_begun(own_directory(directory, self.group))
        global_rope = self.chosen.global_rope
        local = in_step(
            self.group,
            lambda: encode_corpus(
                self.model, corpus, progress, global_rope, self.request.workers, self.budget, directory, self.group
            ),
        )
        self._bank = ShardedBank(local, self.group) if self.group.size > 1 else local
        self._corpus = corpus
        seconds = time.perf_counter() - began
        documents, tokens, held = self._bank.totals
        return IndexReport(documents, tokens, seconds, held, self._notes + _kept(self._bank), reused)

    def answer(self, questions: Sequence[Question], progress: Progress = no_progress) -> Iterator[Answer]:
        """Answers in the order they finish."""
        corpus, bank = self._corpus, self._bank
        if corpus is None or bank is None:
            raise ValueError("index a corpus before answering")
        machine = Interleave(self.model.tokenizer, self._limits, self.switches)
        after_memory = len(template_head(self.model.tokenizer)) + bank.tokens if self.chosen.global_rope else None
        answerer = Answerer(
            self.model,
            bank,
            machine,
            self.chosen.constrained,
            self.request.batch_size,
            after_memory,
            self._recalling(questions),
        )
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
                trace={"rounds": [list(ids) for ids in case.state.round_documents], "second_looks": case.state.looks},
            )

    @property
    def _limits(self) -> Limits:
        own = Limits(
            documents_read=self._msa.documents_read,
            answer_tokens=self.request.max_answer_tokens,
            prompt_tokens=self.model.window,
        )
        return replace(own, **self.chosen.bounds)

    @property
    def _msa(self) -> MSAConfig:
        if self.model.config.msa is None:
            raise ValueError("the memory model has no memory settings")
        return self.model.config.msa

    @property
    def _notes(self) -> tuple[str, ...]:
        forced = NOTES.get(self.chosen.routing)
        return (*(() if self._msa.trained else (UNTRAINED,)), *((forced,) if forced else ()))

    def _bank_name(self, corpus: Corpus) -> str:
        """What tells this bank from others in a directory; older banks keep their names."""
        way = [
            str(self.model.dtype).removeprefix("torch."),
            self._msa.similarity,
            *["global"] * self.chosen.global_rope,
        ]
        if "chunk_tokens" in self.chosen.msa:
            way.append(f"chunk{self._msa.chunk_tokens}")
        if self._msa.keys_per_chunk > 1:
            way.append(f"keys{self._msa.keys_per_chunk}")
        if self.chosen.router_layers is not None:
            way.append(f"layers{derive(self._msa.router_layers):016x}"[:14])
        return "-".join((corpus.fingerprint[:16], self.model.sha256[:8], *way))

    def _recalling(self, questions: Sequence[Question]) -> Recalling:
        """How documents are routed to. Only the ablation that says so is told which are gold."""
        if self.chosen.routing == "random":
            return RandomRouting(self.request.seed, [question.id for question in questions])
        if self.chosen.routing == "oracle":
            for question in questions:
                if not question.gold_ids:
                    raise UserError(
                        "--ablate routing=oracle needs the gold documents of every question, and "
                        f"{question.id} has none."
                    )
            return OracleRouting([question.gold_ids for question in questions])
        return by_score


def _kept(bank: MemoryBank) -> tuple[str, ...]:
    notes = []
    if bank.placement.keys != "exact":
        again = "a shortlist scored again exactly" if bank.placement.rescore else "not scored again"
        notes.append(f"routing keys kept as {bank.placement.keys}, {again}")
    if bank.placement.content_as != "exact":
        notes.append(f"content kept as {bank.placement.content_as}")
    return tuple(notes)
