from __future__ import annotations

import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from msa_bench.contracts import Document
from msa_bench.errors import UserError
from msa_bench.memory import encode, plan
from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.encode import batches, encode_corpus, estimate
from msa_bench.memory.plan import Budget
from msa_bench.model.backbone import Backbone
from msa_bench.model.decoder import DecoderLayer, causal
from msa_bench.model.passes import Pooled
from msa_bench.model.prompts import wrap_documents

PARTS = ("keys", "values", "routing_keys")


def pooled_by_hand(model: Backbone, tokens: list[int], first_position: int = 0) -> dict[int, Pooled]:
    """Chunk by chunk and token by token, in float64, from one document read alone."""
    decoder, size = model.decoder.to(torch.float64), model.decoder.config.msa.chunk_tokens
    kept: dict[int, Pooled] = {}

    def mean_of(heads: Tensor) -> Tensor:
        rows = heads[0].transpose(0, 1)
        chunks = [rows[start : start + size] for start in range(0, len(tokens), size)]
        return torch.stack([sum(chunk) / len(chunk) for chunk in chunks])

    def attend(layer: DecoderLayer, normed: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if layer.self_attn.routes:
            routing = mean_of(layer.self_attn.routing_key(normed, k))
            if decoder.config.msa.similarity == "cosine":
                routing = routing / routing.norm(dim=-1, keepdim=True)
            kept[layer.index] = Pooled(mean_of(k), mean_of(v), routing)
        return causal(layer, normed, q, k, v)

    positions = torch.arange(first_position, first_position + len(tokens))
    decoder.run(torch.tensor([tokens]), positions[None], attend)
    return kept


def assert_same(bank: MemoryBank, expected: list[dict[int, Pooled]], tolerance: float = 2e-5) -> None:
    for layer in bank.msa.router_layers:
        for part in PARTS:
            wanted = torch.cat([getattr(one[layer], part) for one in expected])
            torch.testing.assert_close(
                getattr(bank.pooled(layer), part).double(), wanted.double(), atol=tolerance, rtol=tolerance
            )


@pytest.mark.parametrize(
    "settings",
    [
        {"similarity": "cosine"},
        {"similarity": "dot", "chunk_tokens": 64},
        {"similarity": "cosine", "decouple_router": False, "chunk_tokens": 3},
        {"similarity": "dot", "router_layers": (0, 2), "chunk_tokens": 1},
    ],
)
@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_the_bank_holds_the_means_of_every_chunk_of_every_document(family: str, settings: dict[str, object]) -> None:
    sizes = {"model_type": family}
    bank = encode_corpus(tiny.model(sizes=sizes, **settings), tiny.corpus())
    reference = tiny.model(sizes=sizes, **settings)
    wrapped = wrap_documents(reference.tokenizer, list(enumerate(tiny.TEXTS)))
    assert_same(bank, [pooled_by_hand(reference, tokens) for tokens in wrapped])
    assert bank.tokens == sum(map(len, wrapped))
    size = bank.msa.chunk_tokens
    assert bank.offsets.diff().tolist() == [-(-len(tokens) // size) for tokens in wrapped]


def test_global_positions_number_documents_on_from_each_other() -> None:
    bank = encode_corpus(tiny.model(), tiny.corpus(), global_positions=True)
    reference, first, expected = tiny.model(), 0, []
    for tokens in wrap_documents(reference.tokenizer, list(enumerate(tiny.TEXTS))):
        expected.append(pooled_by_hand(reference, tokens, first))
        first += len(tokens)
    assert_same(bank, expected)


def test_documents_read_together_are_kept_as_documents_read_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    together = encode_corpus(tiny.model(), tiny.corpus())
    monkeypatch.setattr(encode, "batch_tokens", lambda *_: 1)
    monkeypatch.setattr(encode, "WINDOW", 2)
    alone = encode_corpus(tiny.model(), tiny.corpus())
    assert torch.equal(together.offsets, alone.offsets)
    assert_same(together, [{layer: alone.pooled(layer) for layer in alone.msa.router_layers}], tolerance=1e-5)


@pytest.mark.parametrize("text", ["", "Rain.", "x" * 200])
def test_a_corpus_of_one_document_is_kept_whatever_its_length(text: str) -> None:
    model = tiny.model(chunk_tokens=64)
    bank = encode_corpus(model, tiny.corpus(text))
    tokens = wrap_documents(model.tokenizer, [(0, text)])[0]
    assert bank.documents == 1
    assert bank.chunks == -(-len(tokens) // 64)
    assert_same(bank, [pooled_by_hand(tiny.model(chunk_tokens=64), tokens)])


def test_a_document_that_spells_control_tokens_is_kept_as_letters() -> None:
    model = tiny.model()
    plain = wrap_documents(model.tokenizer, [(7, "a<|im_end|><|im_start|>b")])[0]
    assert plain.count(tiny.token_id("<|im_end|>")) == plain.count(tiny.token_id("<|im_start|>")) == 1
    assert model.tokenizer.decode(plain) == "[7]. a<|im_end|><|im_start|>b[7]"


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 200))
def test_batches_hold_every_document_once_within_the_budget(lengths: list[int], budget: int) -> None:
    made = list(batches(lengths, budget))
    assert sorted(index for batch in made for index in batch) == list(range(len(lengths)))
    for batch in made:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= budget


def test_the_estimate_is_close_to_what_is_kept() -> None:
    model = tiny.model()
    texts = [f"Document {number} says {'word ' * (number % 37)}." for number in range(700)]
    expected, bank = estimate(model, tiny.corpus(*texts)), encode_corpus(model, tiny.corpus(*texts))
    assert expected.documents == bank.documents == 700
    assert expected.tokens == pytest.approx(bank.tokens, rel=0.05)
    assert expected.bytes == pytest.approx(bank.bytes, rel=0.05)
    held = sum(getattr(bank.pooled(layer), part).nbytes for layer in bank.msa.router_layers for part in PARTS)
    assert bank.bytes == held


def test_a_sample_of_a_few_hundred_documents_is_read_for_the_estimate() -> None:
    read: list[int] = []

    class Counted(tiny.ToyCorpus):
        def __getitem__(self, document_id: int, /) -> Document:
            read.append(document_id)
            return super().__getitem__(document_id)

    expected = estimate(tiny.model(), Counted(("same text",) * 511))
    assert len(read) <= encode.SAMPLED
    assert expected.documents == 511


def test_a_memory_that_does_not_fit_is_refused_with_the_length_that_would(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.model()
    expected = estimate(model, tiny.corpus("The same words again and again." * 4))
    monkeypatch.setattr(plan, "available_bytes", lambda device: expected.bytes // 4)
    with pytest.raises(UserError, match="tokens would fit") as refused:
        encode_corpus(model, tiny.corpus("The same words again and again." * 4))
    assert f"{expected.tokens:,} tokens" in str(refused.value)
    fits = int(str(refused.value).split("about ")[1].split(" ")[0].replace(",", ""))
    assert 0 < fits < expected.tokens
    chunks = expected.chunks * fits // expected.tokens
    plan.plan(model.config, model.dtype, model.device, fits, chunks, Budget())


def test_an_empty_corpus_is_refused() -> None:
    with pytest.raises(UserError, match="holds no documents"):
        encode_corpus(tiny.model(), tiny.ToyCorpus(()))


def test_progress_ends_at_what_was_read() -> None:
    told: list[tuple[int, str]] = []
    bank = encode_corpus(tiny.model(), tiny.corpus(), lambda step, done, total, unit: told.append((done, unit)))
    assert told[-1] == (bank.tokens, "tokens")
