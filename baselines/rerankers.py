"""Rerankers: a model reads the question together with each of the first passages and orders them anew.

Three kinds. A cross-encoder of sentence-transformers scores the pair. Qwen3-Reranker (Zhang et al. 2025) is asked for
yes or no; its score is P(yes) of the two at the last position. `likelihood`, the offline default, needs no further
weights: the backbone's mean log-probability of the question's tokens after the passage (Sachan et al. 2022, UPR).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from baselines.retrievers import Found, Retriever
from msa_bench.contracts import Corpus, IndexReport, Progress, SystemRequest, no_progress
from msa_bench.errors import UserError, first_line
from msa_bench.memory.cores import each_on_a_core
from msa_bench.memory.encode import batch_tokens, batches
from msa_bench.model.backbone import Backbone, load_backbone, resolve_device
from msa_bench.model.decoder import causal

FIRST = 100
LIKELIHOOD = "likelihood"

QWEN3_BEFORE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
QWEN3_PAIR = (
    "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n"
    "<Query>: {query}\n<Document>: {passage}"
)
QWEN3_AFTER = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
_UPR_BEFORE, _UPR_AFTER = "Passage: ", "\nPlease write a question based on this passage."


class Reranker(Protocol):
    """Scores passages for a query, larger is better; returns the scores and the tokens it read."""

    def describe(self) -> Mapping[str, Any]: ...

    def scores(self, query: str, passages: Sequence[str]) -> tuple[list[float], int]: ...


class Reranked:
    """The first `FIRST` passages of another retriever in a reranker's order."""

    name = "rerank"

    def __init__(self, first: Retriever, reranker: Reranker) -> None:
        self._first, self._reranker = first, reranker
        self._corpus: Corpus | None = None

    def describe(self) -> Mapping[str, Any]:
        reranker = dict(self._reranker.describe())
        return {"name": self.name, "first": dict(self._first.describe()), "reranker": reranker, "reranked": FIRST}

    def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport:
        """The first retriever's index; passages are fetched again to be reranked."""
        self._corpus = corpus
        return self._first.index(corpus, progress)

    def search(self, query: str, k: int, hidden: frozenset[int] = frozenset()) -> Found:
        if self._corpus is None:
            raise RuntimeError("index() comes before search()")
        found = self._first.search(query, FIRST, hidden)
        scores, tokens = self._reranker.scores(query, [self._corpus[one].text for one in found.ids])
        order = sorted(range(len(scores)), key=lambda place: -scores[place])  # ties stay in the first order
        return Found([(found.ids[place], scores[place]) for place in order[:k]], found.notes, tokens)


class CrossEncoder:
    """A cross-encoder of sentence-transformers."""

    def __init__(self, name: str, device: str) -> None:
        try:
            from sentence_transformers import CrossEncoder as Model

            self._model = Model(name, device=str(resolve_device(device)))
        except Exception as error:  # the libraries raise many kinds; each means that the model cannot be used
            raise UserError(
                f"The reranker {name!r} cannot be loaded ({first_line(error)}); give a cross-encoder's or "
                f"Qwen3-Reranker's directory or hub id, or {LIKELIHOOD}."
            ) from error
        self._name = name

    def describe(self) -> Mapping[str, Any]:
        return {"kind": "cross-encoder", "model": self._name}

    def scores(self, query: str, passages: Sequence[str]) -> tuple[list[float], int]:
        pairs = [(query, passage) for passage in passages]
        rows = self._model.tokenizer(*map(list, zip(*pairs, strict=True)), truncation=True) if pairs else {}
        tokens = sum(map(len, rows.get("input_ids", [])))
        return [float(one) for one in self._model.predict(pairs, show_progress_bar=False)] if pairs else [], tokens


class Qwen3Reranker:
    """P(yes) against no at the last position of Qwen3-Reranker's prompt."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        encode = backbone.tokenizer.encode
        self._yes, self._no = encode("yes")[0], encode("no")[0]

    def describe(self) -> Mapping[str, Any]:
        return {"kind": "qwen3-reranker", **self._backbone.provenance}

    def scores(self, query: str, passages: Sequence[str]) -> tuple[list[float], int]:
        tokenizer = self._backbone.tokenizer
        before, after = tokenizer.encode_template(QWEN3_BEFORE), tokenizer.encode_template(QWEN3_AFTER)
        room = self._backbone.window - len(before) - len(after)
        pairs = (tokenizer.encode(QWEN3_PAIR.format(query=query, passage=passage))[:room] for passage in passages)
        rows = [[*before, *pair, *after] for pair in pairs]

        def yes(hidden: Tensor, row: Sequence[int]) -> float:
            logits = self._backbone.decoder.logits(hidden[-1]).float()
            return float(torch.softmax(logits[[self._no, self._yes]], 0)[1])

        return _each(self._backbone, rows, yes), sum(map(len, rows))


class Likelihood:
    """The backbone's mean log-probability of the question after the passage."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone

    def describe(self) -> Mapping[str, Any]:
        prompt = f"{_UPR_BEFORE}PASSAGE{_UPR_AFTER}"
        return {"kind": LIKELIHOOD, "prompt": prompt, "weights_sha256": self._backbone.provenance["weights_sha256"]}

    def scores(self, query: str, passages: Sequence[str]) -> tuple[list[float], int]:
        tokenizer = self._backbone.tokenizer
        question = tokenizer.encode(query) or [0]
        room = self._backbone.window - len(question) - 64
        rows = [
            [
                *tokenizer.chat(
                    [*tokenizer.encode(_UPR_BEFORE), *tokenizer.encode(passage)[:room], *tokenizer.encode(_UPR_AFTER)]
                ),
                *question,
            ]
            for passage in passages
        ]

        def mean_log_probability(hidden: Tensor, row: Sequence[int]) -> float:
            before_each = hidden[len(row) - len(question) - 1 : len(row) - 1]
            logs = torch.log_softmax(self._backbone.decoder.logits(before_each).float(), -1)
            return float(logs.gather(1, torch.tensor(question, device=logs.device)[:, None]).mean())

        return _each(self._backbone, rows, mean_log_probability), sum(map(len, rows))


def load_reranker(request: SystemRequest) -> Reranker:
    """The reranker of `request`; the default is the likelihood under its own model."""
    name = request.ablations.get("reranker", LIKELIHOOD)
    if name == LIKELIHOOD:
        return Likelihood(load_backbone(request.model, request.device, request.dtype))
    if "qwen3" in name.lower() and "rerank" in name.lower():
        return Qwen3Reranker(load_backbone(name, request.device, request.dtype))
    return CrossEncoder(name, request.device)


def _each(
    backbone: Backbone, rows: Sequence[Sequence[int]], measure: Callable[[Tensor, Sequence[int]], float]
) -> list[float]:
    """`measure` of the hidden states `[tokens, hidden]` of each row, read in batches of similar length."""

    @torch.inference_mode()
    def read(places: list[int]) -> list[tuple[int, float]]:
        width = max(len(rows[place]) for place in places)
        ids = torch.tensor([[*rows[place], *[0] * (width - len(rows[place]))] for place in places])
        positions = torch.arange(width, device=backbone.device)[None]
        # Padding stands on the right, where causal attention keeps it from everything that is measured.
        hidden = backbone.decoder.run(ids.to(backbone.device), positions, causal)
        return [
            (place, measure(states[: len(rows[place])], rows[place]))
            for place, states in zip(places, hidden, strict=True)
        ]

    budget = batch_tokens(backbone.device, backbone.config.hidden_size)
    batched = batches([len(row) for row in rows], budget)
    measured = dict(pair for pairs in each_on_a_core(read, batched, backbone.device) for pair in pairs)
    return [measured[place] for place in range(len(rows))]
