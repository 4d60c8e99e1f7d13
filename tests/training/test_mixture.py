from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from toy_episodes import pair, written

from msa_bench.errors import UserError
from msa_bench.training.episodes import Episode, episodes
from msa_bench.training.episodes.files import Pair
from msa_bench.training.episodes.similar import Shelf


def named(episode: Episode) -> list[int]:
    """Places of the gold documents, in the order they are to be named."""
    return [place for round_ in episode.rounds for place in round_]


def test_workers_share_the_stream_of_one_and_a_restart_goes_on_in_it() -> None:
    weights = {"needle": 1.0, "fact": 2.0, "chain": 0.0}
    alone = list(islice(episodes(3, weights), 12))
    shared = [islice(episodes(3, weights, worker=worker, workers=3), 4) for worker in range(3)]
    assert [one for row in zip(*shared, strict=True) for one in row] == alone
    assert list(islice(episodes(3, weights, start=5), 7)) == alone[5:]
    assert list(islice(episodes(4, weights), 12)) != alone


def test_weights_decide_how_often_a_source_is_drawn() -> None:
    kinds = Counter(one.kind for one in islice(episodes(1, {"needle": 3, "needle_haystack": 1}), 400))
    assert 260 < kinds["niah_single"] < 340
    assert kinds["niah_single"] + kinds["niah_needles"] == 400


def test_the_mixture_reads_files_of_the_data_directory_with_or_without_gz(tmp_path: Path) -> None:
    written(tmp_path / "title_text_pairs.jsonl", [{"title": "a word", "text": "a word is a small unit of language"}])
    written(tmp_path / "qa_pairs.jsonl.gz", [pair()])
    made = list(islice(episodes(1, {"titles": 1, "qa": 1}, tmp_path), 40))
    assert {"pair", "qa"} <= {one.kind for one in made}


def test_passages_are_indexed_once_however_often_a_stream_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    index = Shelf.__init__

    def counted(shelf: Shelf, rows: list[Pair]) -> None:
        made.append(len(rows))
        index(shelf, rows)

    monkeypatch.setattr(Shelf, "__init__", counted)
    written(tmp_path / "qa_pairs.jsonl", [pair(positives=[{"title": "Orlo", "text": "Orlo is a town on the Tarn."}])])
    for start in (0, 50):
        assert len(list(islice(episodes(1, {"qa": 1, "clozes": 1}, tmp_path, start=start), 20))) == 20
    assert len(made) == 2


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"needles": 1.0}, "did you mean"),
        ({"needle": -1.0}, "0 or more"),
        ({"needle": 0.0}, "empty"),
        ({"qa": 1.0}, "give the data directory"),
    ],
)
def test_a_wrong_mixture_is_explained(weights: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        episodes(1, weights)


def test_a_missing_data_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no training data file .*qa_pairs\.jsonl\.gz"):
        episodes(1, {"qa": 1}, tmp_path)
