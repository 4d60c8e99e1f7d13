"""Where needles go: in which documents, and how one gets into a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count, product
from mmap import mmap

from msa_bench.seeding import derive, generator
from tasks.permutation import Permutation

# Bytes, so that a file can be searched where it lies. The last two alternatives are the Chinese full stops and a
# paragraph's end.
_SENTENCE_END = re.compile(rb"""[.!?]["')\]]*\s+|(?:\xe3\x80\x82|\xef\xbc\x81|\xef\xbc\x9f)\s*|\n\s*\n\s*""")


def sentence_spans(data: bytes | mmap) -> Iterator[tuple[int, int]]:
    """Start and stop of every sentence of UTF-8 `data`, white space after it included; together they are all of it."""
    start = 0
    for match in _SENTENCE_END.finditer(data):
        yield start, match.end()
        start = match.end()
    if start < len(data):
        yield start, len(data)


def plant(text: str, needle: str, limit: int, count_tokens: Callable[[str], int], where: float) -> str:
    """`text` with `needle` in place of some sentences at `where` (0 to below 1), at most `limit` tokens.

    Of the ways to do it the one nearest to the tokens of `text`, so that length does not give the needle away: a
    retriever may favour short documents. The needle must fit `limit` by itself.
    """
    size = count_tokens(text)
    fitting: list[tuple[int, str]] = []
    for planted in _with_less_and_less(text, needle, where):
        tokens = count_tokens(planted)
        if tokens <= limit:
            fitting.append((abs(tokens - size), planted))
        if tokens <= size:
            break
    return min(fitting)[1]


def _with_less_and_less(text: str, needle: str, where: float) -> Iterator[str]:
    """`needle` in place of one sentence, of two, and so on until it stands alone."""
    data = text.encode()
    parts = [data[start:stop].decode() for start, stop in sentence_spans(data)]
    chosen = int(where * len(parts))
    for removed in range(1, len(parts) + 1):
        first = min(chosen, len(parts) - removed)
        last = parts[first + removed - 1]
        gap = last[len(last.rstrip()) :] or " "
        yield f"{''.join(parts[:first])}{needle}{gap}{''.join(parts[first + removed :])}".strip()


def needle_places(documents: int, samples: int, needles: int, seed: int) -> list[tuple[int, ...]]:
    """For each of `samples` questions the places (0..documents-1, all different) of its `needles`.

    The first needle's depth is stratified: cut into `samples` equal layers, each holds one, in an order that has
    nothing to do with the number of the sample. The others follow evenly spaced from it, around the end. No place
    serves two questions where there are enough for all.
    """
    layer = Permutation(samples, derive("depth", seed))
    jitter = generator("depth within its layer", seed)
    depths = [(layer(sample) + jitter.random()) / samples for sample in range(samples)]
    exclusive = samples * needles <= documents
    taken: set[int] = set()
    places: list[list[int]] = [[] for _ in range(samples)]
    for needle, sample in product(range(needles), range(samples)):
        target = int((depths[sample] + needle / needles) % 1 * documents)
        place = _nearest_free(target, documents, taken if exclusive else set(places[sample]))
        taken.add(place)
        places[sample].append(place)
    return [tuple(row) for row in places]


def _nearest_free(target: int, documents: int, taken: set[int]) -> int:
    for distance in count():
        for place in (target - distance, target + distance):
            if 0 <= place < documents and place not in taken:
                return place
    raise AssertionError("the loop above has no end")
