from __future__ import annotations

import re
from pathlib import Path

import pytest
from toy_episodes import drawn, pair, written

from msa_bench.errors import UserError
from msa_bench.training.episodes.clozes import clozes
from msa_bench.training.episodes.episode import Episode

CLUB = {"title": "Blue Club", "text": "Blue Club is a rowing club in Orlo. It was founded by Ida Voss in 1904."}
POET = {
    "title": "Ana Ruiz (poet)",
    "text": "Ana Ruiz (born 3 May 1931) is a Spanish poet. She moved to Tarn and wrote 12 plays there before she died.",
}
LEADER = {"title": "Bo Lind", "text": "Bo Lind (born 9 June 1950) is a Danish rower. He joined the Blue Club in 1971."}

UNNAMED = {"title": " ", "text": "The club in Orlo was left by its poet in 1911."}


@pytest.fixture(name="made")
def fixture_made(tmp_path: Path) -> list[Episode]:
    rows: list[object] = [pair(src="hotpot", positives=[CLUB], hard_negatives=[POET, LEADER, UNNAMED])]
    return drawn(clozes(written(tmp_path / "qa.jsonl", rows)), 600)


def test_a_question_lacks_its_answer_and_the_passage_holds_it(made: list[Episode]) -> None:
    one_passage = [one for one in made if one.kind == "cloze"]
    assert {one.rounds for one in one_passage} == {((0,),)}
    for one in one_passage:
        assert one.answer in one.documents[0]
        assert one.answer not in one.question


def test_dates_years_numbers_places_and_names_are_asked_for_by_their_own_words(made: list[Episode]) -> None:
    asked = {one.answer: one.question for one in made if one.kind == "cloze"}
    assert re.search("(what|which) year", asked["1904"])
    assert re.search("(what|which) date", asked["3 May 1931"])
    assert "how many plays" in asked["12"]
    assert re.search("where|what place", asked["Orlo"])
    assert re.search("who", asked["Ida Voss"])


def test_a_name_is_asked_for_whole_or_not_at_all(tmp_path: Path) -> None:
    era = {"title": "Ana Ruiz", "text": "Ana Ruiz wrote with Emil Holt singers of the Early Romantic eras at home."}
    made = drawn(clozes(written(tmp_path / "qa.jsonl", [pair(src="hotpot", positives=[era], hard_negatives=[])])), 200)
    assert made
    assert {one.answer for one in made} <= {"Ana Ruiz"}


def test_pronouns_give_way_to_the_title_where_the_title_is_named(made: list[Episode]) -> None:
    moved = [one.question for one in made if one.answer == "12"]
    assert any("Ana Ruiz moved to Tarn" in each for each in moved)
    unnamed = {each for each in moved if "Ana Ruiz" not in each}
    assert unnamed == {"She moved to Tarn and wrote how many plays there before she died?"}, "with all its words"


def test_a_short_sentence_is_asked_about_with_its_title_only(made: list[Episode]) -> None:
    founded = [one.question for one in made if one.answer == "Ida Voss"]
    assert founded
    assert all("Blue Club" in each for each in founded)


def test_subjects_are_asked_about_and_asked_for(made: list[Episode]) -> None:
    assert any(one.question == "What is Blue Club?" and one.answer == "a rowing club in Orlo" for one in made)
    assert any(one.question == "Who joined the Blue Club in 1971?" and one.answer == "Bo Lind" for one in made)
    assert any(one.question.endswith("is a Spanish poet?") and one.answer == "Ana Ruiz" for one in made)


def test_of_two_the_older_is_asked_for_where_both_say_when_they_were_born(made: list[Episode]) -> None:
    both = [one for one in made if one.kind == "cloze_two"]
    assert {one.rounds for one in both} == {((0, 1),)}
    people = [one for one in both if {each.split("\n")[0] for each in one.documents} == {"Ana Ruiz (poet)", "Bo Lind"}]
    assert {one.answer for one in people} == {"Ana Ruiz"}
    assert {"a rowing club in Orlo" in one.answer for one in both if one not in people} == {True}


def test_passages_that_resemble_the_question_stand_beside_and_are_asked_about(made: list[Episode]) -> None:
    beside = [one for one in made if one.further]
    assert beside
    for one in beside:
        assert {each.documents[0] for each in one.further} <= set(one.documents[1:])


def test_of_a_passage_without_a_name_nothing_is_asked(made: list[Episode]) -> None:
    unnamed = [one for one in made for text in one.documents if UNNAMED["text"] in text]
    assert unnamed
    assert not any(UNNAMED["text"] in text for one in unnamed for each in one.further for text in each.documents)
    assert not any(UNNAMED["text"] in one.documents[0] for one in made)


def test_stories_are_left_out(tmp_path: Path) -> None:
    story = pair(src="fairytaleqa", positives=[POET], hard_negatives=[])
    club = pair(src="hotpot", positives=[CLUB], hard_negatives=[])
    made = drawn(clozes(written(tmp_path / "qa.jsonl", [story, club])), 50)
    assert {each.split("\n")[0] for one in made for each in one.documents} == {"Blue Club"}


def test_without_titled_passages_the_source_says_so(tmp_path: Path) -> None:
    nothing = written(tmp_path / "qa.jsonl", [pair(src="hotpot", positives=[UNNAMED], hard_negatives=[])])
    with pytest.raises(UserError, match="leave the source clozes out"):
        drawn(clozes(nothing), 1)
