"""Extraction and recognition memory by a language model: the backbone itself or one behind an endpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from baselines.hipporag.openie import PROMPT, Extraction, Triple, parse_reply
from baselines.hipporag.retriever import Filter
from baselines.reader import Reader
from baselines.readers import load_reader
from msa_bench.contracts import SystemRequest
from msa_bench.errors import UserError

EXTRACTION_TOKENS = 768
FILTER_TOKENS = 256
KEPT_FACTS = 4

_FILTER = """Question: {question}

Facts:
{facts}

Which of these facts help to answer the question? Reply with a JSON list of their numbers, at most {most},
such as [1, 3], or [] if none does."""


class LanguageModel:
    """Answers one user turn each to many texts, in order; `name` tells it apart in caches and records."""

    def __init__(self, name: str, reader: Reader) -> None:
        self.name, self._reader = name, reader

    @classmethod
    def of(cls, choice: str, request: SystemRequest) -> LanguageModel:
        """`llm` is the model of `request`, MODEL@URL an endpoint; a `UserError` for anything else."""
        if choice != "llm" and "@http" not in choice:
            raise UserError(f"{choice!r} is no language model; write llm for --model itself, or MODEL@URL.")
        reader = load_reader(replace(request, reader=None if choice == "llm" else choice))
        return cls(request.model if choice == "llm" else choice.partition("@")[0], reader)

    def answers(self, texts: Sequence[str], most: int) -> Iterator[str]:
        """Up to `most` tokens after each of `texts`; the middle of one that exceeds the window is not read."""
        room = self._reader.window - most - len(self._reader.tokenizer.chat([]))
        prompts = []
        for text in texts:
            tokens = self._reader.tokenizer.encode(text)
            if len(tokens) > room:
                tokens = tokens[: room - room // 2] + tokens[len(tokens) - room // 2 :]
            prompts.append(self._reader.tokenizer.chat(tokens))
        waiting: dict[int, str] = {}
        following = 0
        for written in self._reader.write(prompts, most, batch_size=8):
            waiting[written.index] = written.text
            while following in waiting:
                yield waiting.pop(following)
                following += 1


class LanguageModelOpenIE:
    """Extraction by prompting for JSON, `MODEL` by name in the record and in the cache's file."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self.name = f"llm-1-{model.name}".replace("/", "-")

    def extract(self, passages: Sequence[str]) -> Iterator[Extraction]:
        replies = self._model.answers([PROMPT.format(passage=passage) for passage in passages], EXTRACTION_TOKENS)
        return map(parse_reply, replies)


def recognition(model: LanguageModel) -> Filter:
    """The filter that asks `model` which facts bear on a question; an unusable reply keeps none."""

    def keep(question: str, facts: Sequence[Triple]) -> Sequence[Triple]:
        listed = "\n".join(f"{number}. {' '.join(fact)}" for number, fact in enumerate(facts, start=1))
        (reply,) = model.answers([_FILTER.format(question=question, facts=listed, most=KEPT_FACTS)], FILTER_TOKENS)
        return [facts[number - 1] for number in parse_numbers(reply) if 1 <= number <= len(facts)][:KEPT_FACTS]

    return keep


def parse_numbers(reply: str) -> list[int]:
    """The first JSON list of whole numbers in `reply`; none if there is no such list."""
    start = reply.find("[")
    try:
        found = json.loads(reply[start : reply.index("]", start) + 1])
    except ValueError:
        return []
    return [one for one in dict.fromkeys(found) if isinstance(one, int) and not isinstance(one, bool)]
