"""Relations whose text and question share few words, because the same thing can be said in many ways.

In the relations of `ties` the word a question asks with stands in the text, and a model that only ever met those
looks for the word. Here the text says "Ada keeps the bees Olin sold her" in one of several ways and the question asks
for whoever supplied them, so what is learned is to know one thing said by another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

from msa_bench.relations import Relation, relation


def paraphrases() -> Iterator[Relation]:
    """All of them. In their file a heading, name, subject and object, begins its line, and `| ` begins each of
    statements, questions and phrases."""
    text = files(__package__).joinpath("paraphrases.txt").read_text(encoding="utf-8")
    for entry in re.split(r"\n(?=\w)", text)[1:]:
        heading, statements, questions, phrases = " ".join(entry.split()).split(" | ")
        name, subject, thing = heading.split()
        yield relation(f"said:{name}:{subject}:{thing}", subject, thing, statements, questions, phrases)
