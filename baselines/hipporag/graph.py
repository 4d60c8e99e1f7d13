"""The graph of entities and passages, and personalised PageRank over it.

Nodes are passages (0 .. passages - 1), then entities. Edges are undirected: entity-entity by the number of triples
that join them, passage-entity 1.0, and synonyms by the cosine of their names' embeddings, where it is at least 0.8.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.encoders import Vectors
from msa_bench.contracts import Progress, no_progress
from msa_bench.errors import UserError

SYNONYM_COSINE = 0.8
SYNONYMS = 100
"""Nearest names looked at for one entity."""
EXACT_NAMES = 20_000
DAMPING = 0.5

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Graph:
    """`pairs` `[edges, 2]` of nodes with `weights` `[edges]`; the same pair may occur more than once."""

    def __init__(self, nodes: int, pairs: Ints, weights: Floats) -> None:
        try:
            import igraph
        except ImportError as error:
            raise UserError("hipporag needs igraph; install it with pip install 'msa-bench[baselines]'.") from error
        self.weights = weights
        self._graph: Any = igraph.Graph(n=nodes, edges=pairs, directed=False)

    @property
    def bytes(self) -> int:
        """igraph keeps two ends and four index entries of 8 bytes per edge and two per node; and the weights."""
        return 48 * int(self._graph.ecount()) + 16 * int(self._graph.vcount()) + self.weights.nbytes

    def pagerank(self, seeds: Floats, weights: Floats) -> Floats:
        """Scores `[nodes]` of a walk that returns to `seeds` `[nodes]` with probability 1/2 at every step."""
        found = self._graph.personalized_pagerank(
            damping=DAMPING, directed=False, weights=weights.tolist(), reset=seeds.tolist(), implementation="prpack"
        )
        return np.asarray(found)


def synonyms(names: Mapping[str, int], vectors: Vectors, progress: Progress = no_progress) -> tuple[Ints, Floats]:
    """Pairs `[edges, 2]` of entity numbers with cosines of at least 0.8, at most 100 for one name, and the cosines.

    Names of two letters and digits or fewer have none. Up to `EXACT_NAMES` every pair is compared. Above, names meet
    in cells around sqrt(names) of them drawn at random, each name in its two nearest, no cell larger than four times
    the mean: names**1.5 comparisons, at the cost of the pairs whose cells differ.
    """
    long_enough = np.array(
        [number for name, number in names.items() if sum(map(str.isalnum, name)) > 2], dtype=np.int64
    )
    pairs: list[Ints] = []
    cosines: list[Floats] = []
    cells = _cells(long_enough, vectors, progress)
    done, total = 0, sum(len(cell) ** 2 for cell in cells)
    for cell in cells:
        inside = vectors[cell]
        for start in range(0, len(cell), 1024):
            progress("compare names", done, total, "pairs")
            near = inside[start : start + 1024] @ inside.T
            done += near.size
            rows, columns = np.nonzero(near >= SYNONYM_COSINE)
            keep = columns > rows + start
            rows, columns = rows[keep], columns[keep]
            values = near[rows, columns].astype(np.float64)
            order = np.lexsort((-values, rows))
            rows, columns, values = rows[order], columns[order], values[order]
            rank = np.arange(len(rows)) - np.searchsorted(rows, rows, side="left")
            few = rank < SYNONYMS
            pairs.append(np.stack([cell[rows[few] + start], cell[columns[few]]], axis=1))
            cosines.append(values[few])
    if not pairs:
        return np.empty((0, 2), np.int64), np.empty(0)
    together = np.sort(np.concatenate(pairs), axis=1)
    unique, first = np.unique(together, axis=0, return_index=True)
    return unique, np.concatenate(cosines)[first]


def _cells(numbers: Ints, vectors: Vectors, progress: Progress = no_progress) -> list[Ints]:
    """Groups of `numbers` in which near vectors meet; a number may be in two."""
    if len(numbers) <= EXACT_NAMES:
        return [numbers]
    size = int(np.sqrt(len(numbers)))
    centres = vectors[np.random.default_rng(0).choice(numbers, size, replace=False)]
    nearest = np.empty((len(numbers), 2), np.int64)
    for start in range(0, len(numbers), 4096):
        progress("group names", start, len(numbers), "names")
        near = vectors[numbers[start : start + 4096]] @ centres.T
        nearest[start : start + 4096] = np.argpartition(-near, 1, axis=1)[:, :2]
    order = np.argsort(nearest.ravel(), kind="stable")
    members = np.repeat(numbers, 2)[order]
    borders = np.searchsorted(nearest.ravel()[order], np.arange(1, size))
    most = 8 * size
    return [cell[start : start + most] for cell in np.split(members, borders) for start in range(0, len(cell), most)]
