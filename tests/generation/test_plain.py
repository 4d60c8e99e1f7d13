from __future__ import annotations

from collections.abc import Sequence

import pytest
import tiny
import torch
from torch import Tensor

from msa_bench.errors import UserError
from msa_bench.generation import decode, replay
from msa_bench.generation.decode import Session
from msa_bench.generation.plain import generate
from msa_bench.model.backbone import Backbone
from msa_bench.model.passes import Recall

PROMPTS = [list(range(20, 20 + length)) for length in (9, 2, 30, 1, 17, 9)]


def naive(model: Backbone, prompt: list[int], most: int) -> tuple[list[int], bool]:
    """Greedy generation by reading everything again for every token."""
    written: list[int] = []
    while len(written) < most:
        token = int(model.decoder(torch.tensor([prompt + written]))[0, -1].argmax())
        if token in model.tokenizer.stop_ids:
            return written, True
        written.append(token)
    return written, False


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize("batch_size", [1, 4, 8])
@pytest.mark.parametrize("replays", [False, True])
def test_prompts_of_mixed_length_are_continued_as_by_a_naive_loop(
    family: str, batch_size: int, replays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With and without the replayed step of a GPU, whose caches outlive a batch."""
    monkeypatch.setattr(decode, "worth_replaying", lambda device: replays)
    monkeypatch.setattr(replay, "CAPACITY_STEP", 16)
    model = tiny.model(sizes={"model_type": family})
    found = {one.index: one for one in generate(model, PROMPTS, 12, batch_size)}
    assert sorted(found) == list(range(len(PROMPTS)))
    for index, prompt in enumerate(PROMPTS):
        assert (found[index].tokens, found[index].stopped) == naive(model, prompt, 12)


def test_a_prompt_that_stops_leaves_the_others_going() -> None:
    model = tiny.model()
    first, _ = naive(model, PROMPTS[0], 12)
    # Whatever the first prompt writes as its third token becomes a token that ends answers.
    stops = model.tokenizer.stop_ids | {first[2]}
    stopping = Backbone("tiny", model.directory, model.decoder, tiny.stopping_at(stops))
    found = {one.index: one for one in generate(stopping, PROMPTS, 12)}
    for index, prompt in enumerate(PROMPTS):
        assert (found[index].tokens, found[index].stopped) == naive(stopping, prompt, 12)
    assert len(found[0].tokens) <= 2
    assert found[0].stopped


def test_exactly_the_most_tokens_are_written() -> None:
    model = tiny.model()
    for most in (1, 5):
        for one in generate(model, PROMPTS, most):
            assert one.stopped or len(one.tokens) == most


def test_a_batch_holds_no_more_prompt_tokens_than_the_window() -> None:
    model = tiny.model(sizes={"max_position_embeddings": 32})
    found = {one.index: one.tokens for one in generate(model, PROMPTS, 4)}
    assert found == {index: naive(model, prompt, 4)[0] for index, prompt in enumerate(PROMPTS)}


def test_what_long_prompts_begin_with_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.model(sizes={"max_position_embeddings": 32})
    shared = list(range(20, 40))
    prompts = [[*shared, 41], [*shared, 42, 43], [*shared, 44]]
    read: list[int] = []
    feed = Session.feed

    def counting(session: Session, tokens: Sequence[Sequence[int]], recall: Recall | None = None) -> Tensor:
        read.append(sum(map(len, tokens)))
        return feed(session, tokens, recall)

    monkeypatch.setattr(Session, "feed", counting)
    found = {one.index: one.tokens for one in generate(model, prompts, 3)}
    assert sum(read) <= len(shared) + 4 + 3 * 3
    assert found == {index: naive(model, prompt, 3)[0] for index, prompt in enumerate(prompts)}


@pytest.mark.parametrize("shared", [1, 9, 29])
def test_a_beginning_of_any_length_is_shared(monkeypatch: pytest.MonkeyPatch, shared: int) -> None:
    model = tiny.model(sizes={"max_position_embeddings": 32})
    prompts = [[*range(20, 20 + shared), *range(100 + start, 130 - shared + start)] for start in (0, 40)]
    read: list[int] = []
    feed = Session.feed

    def counting(session: Session, tokens: Sequence[Sequence[int]], recall: Recall | None = None) -> Tensor:
        read.append(sum(map(len, tokens)))
        return feed(session, tokens, recall)

    monkeypatch.setattr(Session, "feed", counting)
    found = {one.index: one.tokens for one in generate(model, prompts, 1)}
    assert read == [30, 30 - shared]
    assert found == {index: naive(model, prompt, 1)[0] for index, prompt in enumerate(prompts)}


def test_a_long_prompt_goes_through_the_layers_in_pieces_to_the_same_end(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.model()
    expected = naive(model, PROMPTS[2], 6)[0]
    widths: list[int] = []
    feed = Session.feed

    def seen(session: Session, tokens: Sequence[Sequence[int]], recall: Recall | None = None) -> Tensor:
        widths.append(max(map(len, tokens)))
        return feed(session, tokens, recall)

    monkeypatch.setattr(Session, "feed", seen)
    monkeypatch.setattr("msa_bench.generation.plain.PREFILL_TOKENS", 8)
    (found,) = generate(model, [PROMPTS[2]], 6)
    assert found.tokens == expected
    assert widths[:4] == [8, 8, 8, 6]


def test_a_prompt_that_does_not_fit_the_memory_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msa_bench.generation.plain.available_bytes", lambda device: 20_000)
    with pytest.raises(UserError, match=r"about 39 tokens would fit"):
        list(generate(tiny.model(), [list(range(20, 60))], 12))
