from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest
from toy_episodes import drawn, pair, written

from msa_bench.errors import UserError
from msa_bench.training.episodes.pairs import qa_pairs, title_pairs
from msa_bench.training.episodes.passages import opening, window


def test_a_headword_is_sometimes_left_out_of_its_entry_and_never_out_of_the_question(tmp_path: Path) -> None:
    text = "Zebu n 1: a humped ox of Asia and Africa kept for milk and for work [syn: {Zebu}, {Brahman}]"
    generate = title_pairs(written(tmp_path / "t.jsonl.gz", [{"title": "zebu", "text": text}]))
    made = drawn(generate)
    asked = [one for one in made if one.kind == "pair"]
    assert all("zebu" in one.question for one in asked)
    assert {("zebu" in one.documents[0].lower()) for one in asked} == {True, False}
    assert {one.answer for one in asked} == {"a humped ox of Asia and Africa kept for milk and for work"}
    assert all(one.answer == "zebu" and "zebu" not in one.question for one in made if one.kind == "meaning")


def test_long_sections_are_cut_to_windows_of_whole_sentences(tmp_path: Path) -> None:
    sentences = [f"Sentence number {number} has exactly seven words." for number in range(200)]
    rows: list[object] = [{"title": "Manual > Part", "text": " ".join(sentences)}]
    for episode in drawn(title_pairs(written(tmp_path / "t.jsonl", rows))):
        body = episode.documents[0].removeprefix("Manual > Part\n")
        assert len(body.split()) <= 380
        assert set(re.findall(r"Sentence[^.]*\.", body)) <= set(sentences)
        assert body.endswith(".")
        assert episode.answer + "." == body.split(". ")[0].rstrip(".") + "."


def test_a_window_keeps_what_it_must() -> None:
    text = " ".join(f"This is statement {number}." for number in range(300))
    for seed in range(20):
        cut = window(Random(seed), text, 40, keep="statement 217.")
        assert "statement 217." in cut
        assert len(cut.split()) <= 40


def test_an_opening_is_a_short_statement_without_dictionary_marks() -> None:
    assert opening("n 1: a kind of boat; it floats 2: a shoe", 20) == "a kind of boat"
    assert opening("<hardware> A box with wires. It hums.", 20) == "A box with wires"
    assert opening("one two three four five", 3) == "one two three"


def test_multi_hop_questions_are_asked_in_one_round_or_from_the_named_passage_on(tmp_path: Path) -> None:
    made = drawn(qa_pairs(written(tmp_path / "q.jsonl.gz", [pair()])))
    assert {one.rounds for one in made} == {((0, 1),), ((0,), (1,))}
    assert {one.documents[0] for one in made} == {"Ana Ruiz (poet)\nAna Ruiz joined the Blue Club."}
    assert {one.documents[2] for one in made} == {"Red Club\nThe Red Club is led by Al Moss."}
    assert {one.answer for one in made} == {"Bo Lind"}


def test_other_sets_are_asked_in_one_round_and_claims_ask_for_the_study(tmp_path: Path) -> None:
    made = drawn(qa_pairs(written(tmp_path / "q.jsonl", [pair(src="scifact_train", answers=[])])))
    assert {one.rounds for one in made} == {((0, 1),)}
    assert {one.answer for one in made} == {"Blue Club"}
    assert all("Who leads the club" in one.question for one in made)


@pytest.mark.parametrize("line", ["{", '"text"', '{"title": "only a title"}', '{"title": 3, "text": "x"}', "[1, 2]"])
def test_a_malformed_line_is_named_with_its_file(tmp_path: Path, line: str) -> None:
    path = tmp_path / "titles.jsonl"
    path.write_text(f'{{"title": "a", "text": "b"}}\n{line}\n')
    with pytest.raises(UserError, match=r"Line 2 of .*titles\.jsonl"):
        title_pairs(path)


def test_questions_without_gold_passages_and_files_cut_short_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Line 1 of .*no positives"):
        qa_pairs(written(tmp_path / "q.jsonl", [pair(positives=[])]))
    whole = written(tmp_path / "w.jsonl.gz", [pair(question=f"{number * 7919}?") for number in range(2000)])
    (tmp_path / "cut.jsonl.gz").write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"cut\.jsonl\.gz cannot be read after line \d+"):
        qa_pairs(tmp_path / "cut.jsonl.gz")


def test_passages_that_resemble_a_question_are_its_negatives_and_asked_about(tmp_path: Path) -> None:
    def row(question: str, answer: str, title: str, text: str) -> dict[str, object]:
        return pair(
            src="squad",
            question=question,
            answers=[answer],
            positives=[{"title": title, "text": text}],
            hard_negatives=[],
        )

    wanted = row("Which river does the bridge of Orlo cross?", "Nemma", "Orlo", "The bridge of Orlo crosses the Nemma.")
    near = row("Who built the bridge of Tarn?", "Ida Voss", "Tarn", "The bridge of Tarn was built by Ida Voss.")
    holds = row(
        "Where does the river rise?", "Mount Zar", "River", "The river of the bridge, the Nemma, rises at Mount Zar."
    )
    far = row("What do owls eat?", "mice", "Owls", "Owls eat mice at night.")
    made = drawn(qa_pairs(written(tmp_path / "q.jsonl", [wanted, near, holds, far])))
    about = [one for one in made if one.question == wanted["question"]]
    assert {one.documents[1:] for one in about} == {("Tarn\nThe bridge of Tarn was built by Ida Voss.",)}
    assert {one.further[0].question for one in about} == {near["question"]}
    assert {one.further[0].documents for one in about} == {one.documents[1:] for one in about}
