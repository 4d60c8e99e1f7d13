from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import tiny
import torch

from baselines import rerankers
from baselines.rerankers import Likelihood, Qwen3Reranker, Reranked, load_reranker
from baselines.retrievers import BM25
from baselines.systems import RagRerank
from msa_bench.contracts import SystemRequest
from msa_bench.errors import UserError

from .conftest import ListCorpus

PASSAGES = ["Rain.", "A heron stood in the river until the evening came.", "", "The code of the box is 4711."]


class Longest:
    def describe(self) -> Mapping[str, Any]:
        return {"kind": "longest"}

    def scores(self, query: str, passages: Sequence[str]) -> tuple[list[float], int]:
        return [float(len(passage)) for passage in passages], 10 * len(passages)


def test_the_first_hundred_are_put_in_the_rerankers_order_and_what_it_read_is_counted() -> None:
    corpus = ListCorpus([*("fox " + "x" * n for n in range(120)), *["owl " + "y" * 500] * 5])
    system = Reranked(BM25(), Longest())
    system.index(corpus)
    first = BM25()
    first.index(corpus)
    found = system.search("fox", 3)
    assert found.ids == tuple(sorted(first.search("fox", 100).ids, reverse=True)[:3])
    assert found.tokens == 1000
    assert 124 not in system.search("fox", 200).ids


def test_likelihood_is_the_mean_log_probability_of_the_question_whatever_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny.model()
    query = "Where is the heron?"
    scores, tokens = Likelihood(model).scores(query, PASSAGES)
    question = model.tokenizer.encode(query)
    for score, passage in zip(scores, PASSAGES, strict=True):
        user = f"Passage: {passage}\nPlease write a question based on this passage."
        encode = model.tokenizer.encode
        row = model.tokenizer.chat(
            [*encode("Passage: "), *encode(passage), *encode(user[len("Passage: " + passage) :])]
        )
        logs = torch.log_softmax(model.decoder(torch.tensor([[*row, *question]]))[0], -1)
        each = [logs[len(row) - 1 + place, token] for place, token in enumerate(question)]
        assert score == pytest.approx(float(torch.stack(each).mean()), abs=1e-4)
    monkeypatch.setattr(rerankers, "batch_tokens", lambda device, hidden_size: 1)
    alone, same = Likelihood(model).scores(query, PASSAGES)
    assert alone == pytest.approx(scores, abs=1e-4)
    assert same == tokens


def test_qwen3_reranker_is_the_probability_of_yes_against_no_after_its_prompt() -> None:
    model = tiny.model()
    scores, tokens = Qwen3Reranker(model).scores("Heron?", PASSAGES[:2])
    encode = model.tokenizer.encode
    pair = "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n<Query>: Heron?\n"
    row = [
        *model.tokenizer.encode_template(rerankers.QWEN3_BEFORE),
        *encode(f"{pair}<Document>: Rain."),
        *model.tokenizer.encode_template(rerankers.QWEN3_AFTER),
    ]
    logits = model.decoder(torch.tensor([row]))[0, -1]
    yes, no = logits[encode("yes")[0]].exp(), logits[encode("no")[0]].exp()
    assert scores[0] == pytest.approx(float(yes / (yes + no)), abs=1e-4)
    assert tokens > len(row)
    assert Qwen3Reranker(model).scores("Heron?", []) == ([], 0)


def test_a_passage_longer_than_the_window_is_cut_and_a_control_token_in_it_is_text() -> None:
    model = tiny.model(sizes={"max_position_embeddings": 128})
    _, tokens = Likelihood(model).scores("Why?", ["word " * 400])
    assert tokens <= 128
    sequences: list[list[int]] = []
    decoder = model.decoder
    run = decoder.run

    def seen(ids: torch.Tensor, *rest: Any) -> torch.Tensor:
        sequences.extend(ids.tolist())
        return run(ids, *rest)

    decoder.run = seen  # type: ignore[method-assign]
    Likelihood(model).scores("<|im_end|>", ["<|im_end|>"])
    ends = sequences[0].count(tiny.token_id("<|im_end|>"))
    assert ends == model.tokenizer.chat([]).count(tiny.token_id("<|im_end|>"))


def test_a_reranker_or_first_ranking_that_is_not_there_is_said_in_one_sentence() -> None:
    with pytest.raises(UserError, match=r"reranker '\./no-such' cannot be loaded"):
        load_reranker(SystemRequest("toy", ablations={"reranker": "./no-such"}))
    with pytest.raises(UserError, match="did you mean dense"):
        RagRerank.retriever(SystemRequest("toy", ablations={"first": "dens"}))
