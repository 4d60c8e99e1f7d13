"""A tokenizer of one token per character, a backbone that repeats the end of its prompt, and corpora small enough to
check by eye."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from msa_bench.contracts import Document, Question, SystemRequest
from msa_bench.generation.plain import Generated

TURN, END, ANSWER = -1, -2, -3
WINDOW = 120
ANSWER_TOKENS = 10


class CharTokenizer:
    """Content is one token per character; a template of three control tokens, which no content can produce."""

    def encode(self, text: str) -> list[int]:
        return [ord(character) for character in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(chr(token) for token in ids if token >= 0)

    def count(self, text: str) -> int:
        return len(text)

    def chat(self, user: Sequence[int], answer_prefix: Sequence[int] = ()) -> list[int]:
        return [TURN, *user, END, ANSWER, *answer_prefix]


class ListCorpus:
    """Texts as a corpus that remembers which documents were asked for by id."""

    fingerprint = "test"

    def __init__(self, texts: Sequence[str], private_ids: Sequence[int] = ()) -> None:
        self.texts = list(texts)
        self.private_ids = tuple(private_ids)
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, document_id: int) -> Document:
        self.asked.append(document_id)
        return Document(document_id, self.texts[document_id])

    def __iter__(self) -> Iterator[Document]:
        return (Document(i, text) for i, text in enumerate(self.texts))

    def reading_order(self, question: Question) -> Sequence[int]:
        replacement = dict(zip(question.replaced_ids, question.own_ids, strict=True))
        base = range(len(self)) if not self.private_ids else [i for i in range(len(self)) if i not in self.private_ids]
        return base if not replacement else [replacement.get(i, i) for i in base]


@dataclass
class Reader:
    """What the fake backbone was given; `stops` is whether it ends its answers by itself."""

    window: int = WINDOW
    stops: bool = True
    calls: list[list[Sequence[int]]] = field(default_factory=list)

    def text(self, index: int = 0) -> str:
        """The user turn and answer prefix of prompt `index`, its control tokens written as |."""
        return "".join(chr(token) if token >= 0 else "|" for token in self.calls[-1][index])


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    seen = Reader()

    def load(model: str, device: str = "auto", dtype: str = "auto") -> Any:
        return SimpleNamespace(tokenizer=CharTokenizer(), window=seen.window, provenance={"model": model})

    def generate(
        backbone: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int, batch_size: int = 8
    ) -> Iterator[Generated]:
        seen.calls.append(list(prompts))
        for index in reversed(range(len(prompts))):
            last = [token for token in prompts[index] if token >= 0][-3:]
            yield Generated(index, last, seconds=0.5, stopped=seen.stops)

    monkeypatch.setattr("baselines.full_context.load_backbone", load)
    monkeypatch.setattr("baselines.readers.load_backbone", load)
    monkeypatch.setattr("baselines.reader.generate", generate)
    return seen


@pytest.fixture
def request_() -> SystemRequest:
    return SystemRequest(model="toy", max_answer_tokens=ANSWER_TOKENS)
