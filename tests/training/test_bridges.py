from __future__ import annotations

from pathlib import Path

import pytest
from toy_episodes import drawn, pair, written

from msa_bench.errors import UserError
from msa_bench.training.episodes.bridges import bridges, find_bridges
from msa_bench.training.episodes.episode import Episode
from msa_bench.training.episodes.files import Passage

CLUB = {"title": "Blue Club", "text": "The Blue Club is a rowing club in Orlo. It was founded by Ida Voss in 1904."}
LEADER = {"title": "Bo Lind (rower)", "text": "Bo Lind is a Danish rower. He joined the Blue Club in May 1971."}
OTHER = {"title": "Al Moss", "text": "Al Moss is a Danish painter. He was born in Tarn in 1931."}


@pytest.fixture(name="made")
def fixture_made(tmp_path: Path) -> list[Episode]:
    rows: list[object] = [pair(src="hotpot", positives=[CLUB], hard_negatives=[LEADER, OTHER])]
    return drawn(bridges(written(tmp_path / "qa.jsonl", rows)), 200)


def test_the_first_passage_is_named_before_the_one_it_speaks_of(made: list[Episode]) -> None:
    assert {one.rounds for one in made} == {((0,), (1,))}
    assert {tuple(each.split("\n")[0] for each in one.documents[:2]) for one in made} == {
        ("Bo Lind (rower)", "Blue Club")
    }
    for one in made:
        assert "Blue Club" in one.documents[0].split("\n")[1], "what leads on is kept"
        assert one.answer in one.documents[1]


def test_the_question_names_the_first_passage_and_says_what_the_second_is(made: list[Episode]) -> None:
    for one in made:
        assert "Bo Lind" in one.question
        assert "rowing club" in one.question
        assert "Blue Club" not in one.question
        assert one.answer not in one.question
    assert any("the rowing club connected with bo lind" in one.question.lower() for one in made)
    assert any("Bo Lind joined this rowing club in May 1971. " in one.question for one in made)
    assert {"1904", "Ida Voss"} <= {one.answer for one in made}


def test_a_bridge_is_a_title_of_several_words_that_one_passage_has_and_few_speak_of() -> None:
    club, leader = Passage(CLUB["title"], CLUB["text"]), Passage(LEADER["title"], LEADER["text"])
    assert [(one.first, one.second) for one in find_bridges([club, leader])] == [(leader, club)]
    assert not list(find_bridges([club, club._replace(text="Another."), leader]))
    assert not list(find_bridges([club._replace(title="Blue"), leader]))
    longer = leader._replace(text="He joined the Blue Clubs.")
    assert not list(find_bridges([club, longer]))
    many = [leader._replace(title=f"Rower Number{place}") for place in range(21)]
    assert len(list(find_bridges([club, *many[:20]]))) == 20
    assert not list(find_bridges([club, *many]))


def test_without_bridges_the_source_says_so(tmp_path: Path) -> None:
    alone = written(tmp_path / "qa.jsonl", [pair(positives=[OTHER], hard_negatives=[])])
    with pytest.raises(UserError, match="leave the source bridges out"):
        drawn(bridges(alone), 1)
