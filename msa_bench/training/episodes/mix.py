"""The stream of training episodes: a weighted mixture in which episode i depends on the seed and i alone.

So any number of workers share one stream without overlap, and a restart goes on at any episode:

    for episode in episodes(seed=1, weights={"needle": 2, "chain": 1}, worker=0, workers=4, start=10_000): ...
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import accumulate, count
from pathlib import Path

from msa_bench.errors import UserError, unknown
from msa_bench.seeding import generator
from msa_bench.training.episodes import chains, facts, needles
from msa_bench.training.episodes.bridges import bridges
from msa_bench.training.episodes.clozes import clozes
from msa_bench.training.episodes.episode import Episode, Generate
from msa_bench.training.episodes.pairs import qa_pairs, title_pairs

INVENTED: Mapping[str, Generate] = {
    "needle": needles.single,
    "needle_keys": needles.multikey,
    "needle_values": needles.multivalue,
    "needle_queries": needles.multiquery,
    "needle_haystack": needles.needle_haystack,
    "fact": facts.fact,
    "facts": facts.several_facts,
    "chain": chains.chain,
    "absent": facts.absent,
}
"""Generators that need no data."""

FROM_FILES: Mapping[str, tuple[str, Callable[[Path], Generate]]] = {
    "titles": ("title_text_pairs.jsonl.gz", title_pairs),
    "qa": ("qa_pairs.jsonl.gz", qa_pairs),
    "clozes": ("qa_pairs.jsonl.gz", clozes),
    "bridges": ("qa_pairs.jsonl.gz", bridges),
}
"""Generators over a file of the data directory; the file may also be there without `.gz`."""

DEFAULT_WEIGHTS: Mapping[str, float] = {
    "needle": 2,
    "needle_keys": 2,
    "needle_values": 2,
    "needle_queries": 2,
    "needle_haystack": 2,
    "fact": 2,
    "facts": 1,
    "chain": 4,
    "absent": 0.7,
    "titles": 2,
    "qa": 2,
    "clozes": 2,
    "bridges": 2,
}


def episodes(
    seed: int,
    weights: Mapping[str, float],
    data_dir: Path | None = None,
    *,
    worker: int = 0,
    workers: int = 1,
    start: int = 0,
) -> Iterator[Episode]:
    """Endless episodes number `start + worker`, `start + worker + workers`, ... of the mixture.

    `weights` maps names of `INVENTED` and `FROM_FILES` to how often they are drawn, on any scale. A `UserError` for an
    unknown name, for weights that are negative or all zero, and for a source whose file is missing.
    """
    sources = _sources(weights, data_dir)
    generators, bounds = tuple(sources), tuple(accumulate(sources.values()))

    def episode(number: int) -> Episode:
        rng = generator("training episode", seed, number)
        return generators[bisect(bounds, rng.random() * bounds[-1], hi=len(bounds) - 1)](rng)

    return map(episode, count(start + worker, workers))


def _sources(weights: Mapping[str, float], data_dir: Path | None) -> dict[Generate, float]:
    sources: dict[Generate, float] = {}
    for name, weight in weights.items():
        if name not in INVENTED and name not in FROM_FILES:
            raise unknown("source of training episodes", name, (*INVENTED, *FROM_FILES))
        if weight < 0:
            raise UserError(f"The weight of {name!r} is {weight}; weights are 0 or more.")
        if weight > 0:
            sources[_source(name, data_dir)] = weight
    if not sources:
        raise UserError("The mixture of training episodes is empty; give at least one source a weight above 0.")
    return sources


@cache
def _source(name: str, data_dir: Path | None) -> Generate:
    """The generator `name`, made once: a training asks for its sources at every batch, and the index that finds
    passages takes seconds to build."""
    if name in INVENTED:
        return INVENTED[name]
    file, make = FROM_FILES[name]
    if data_dir is None:
        raise UserError(f"The training source {name!r} reads {file}; give the data directory that holds it.")
    plain = data_dir / file.removesuffix(".gz")
    return make(plain if plain.exists() else data_dir / file)
