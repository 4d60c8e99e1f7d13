from __future__ import annotations

import re
from importlib.resources import files as package_files
from itertools import count
from random import Random

import pytest
from toy_episodes import drawn, named

from msa_bench.model.prompts import NOT_IN_MEMORY
from msa_bench.relations import Relation
from msa_bench.training.episodes import Episode, chains, facts, keys, needles
from msa_bench.training.episodes.documents import filler, hide
from msa_bench.training.episodes.episode import Generate
from msa_bench.training.episodes.mix import INVENTED
from msa_bench.training.episodes.words import ADJECTIVES, COINED, NOUNS
from msa_bench.training.episodes.world import RELATIONS

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def gold(episode: Episode) -> list[str]:
    """Gold documents in the order of the memory, which is that of the answer's values."""
    return [episode.documents[place] for place in sorted(named(episode))]


def wonderwords() -> set[str]:
    assets = package_files("wonderwords") / "assets"
    lists = ((assets / name).read_text("utf-8") for name in ("adjectivelist.txt", "nounlist.txt"))
    return {word for text in lists for word in re.findall("[a-z]+", text.lower())}


# Every generator


@pytest.mark.parametrize("name", INVENTED)
def test_gold_documents_come_first_and_hold_the_answer(name: str) -> None:
    for episode in drawn(INVENTED[name]):
        assert sorted(named(episode)) == list(range(len(gold(episode))))
        if episode.answer != NOT_IN_MEMORY:
            assert episode.rounds
            told = " ".join(gold(episode)).lower()  # a statement may begin with its value
            assert all(value in told for value in episode.answer.lower().split(", "))


@pytest.mark.parametrize("name", INVENTED)
def test_hard_negatives_do_not_hold_the_answer(name: str) -> None:
    for episode in drawn(INVENTED[name]):
        negatives = " ".join(episode.documents[len(gold(episode)) :])
        assert not any(re.search(rf"\b{re.escape(value)}\b", negatives) for value in episode.answer.split(", "))


@pytest.mark.parametrize("name", INVENTED)
def test_every_generator_repeats_itself_for_the_same_seed_only(name: str) -> None:
    assert INVENTED[name](Random("a")) == INVENTED[name](Random("a"))
    assert INVENTED[name](Random("a")) != INVENTED[name](Random("b"))


@pytest.mark.parametrize("name", INVENTED)
def test_further_questions_rest_on_the_other_documents_of_the_memory(name: str) -> None:
    for episode in drawn(INVENTED[name]):
        negatives = episode.documents[len(gold(episode)) :]
        for further in episode.further:
            assert further.rounds in (((0,),), episode.rounds)
            assert set(gold(further)) <= set(negatives)
            assert set(further.documents) <= set(episode.documents)
            assert further.answer in gold(further)[-1]
            assert not further.further
        asked = [episode.question, *(further.question for further in episode.further)]
        assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("name", sorted(set(INVENTED) - {"absent"}))
def test_most_documents_that_hold_an_answer_are_asked_about(name: str) -> None:
    """A document costs more to read than a question."""
    made = drawn(INVENTED[name])
    asked = sum(len(gold(episode)) + len(episode.further) for episode in made)
    assert asked > 0.85 * sum(len(episode.documents) for episode in made)


@pytest.mark.parametrize("generate", [facts.fact, facts.several_facts, chains.chain])
def test_no_other_document_answers_a_further_question_differently(generate: Generate) -> None:
    for episode in drawn(generate, 300):
        for further in episode.further:
            others = [text for text in episode.documents if text not in further.documents]
            for relation, subject in asked_about(further.question):
                assert not any(subject in text and states(relation, subject, text) for text in others)


def states(relation: Relation, subject: str, text: str) -> bool:
    """Whether `text` says what `subject` has the relation to; being born in a year says nothing of a town."""
    forms = (form.split("{y}") for form in relation.statements)
    return any(
        re.search("(?!the year ).+?".join(re.escape(part.format(x=subject)) for part in form), text) for form in forms
    )


def asked_about(question: str) -> list[tuple[Relation, str]]:
    """Relations and subjects that a question may mean."""
    return [
        (relation, match[1])
        for relation in RELATIONS
        for form in relation.questions
        if (match := re.fullmatch(re.escape(form).replace(re.escape("{x}"), "(.+)"), question))
    ]


# Words


def test_no_word_of_a_training_key_is_a_word_of_evaluation_keys() -> None:
    assert not wonderwords().intersection((*ADJECTIVES, *NOUNS, *COINED))
    assert min(len(set(ADJECTIVES)), len(set(NOUNS)), len(set(COINED))) > 500


def test_keys_have_many_forms_and_are_mostly_adjective_noun() -> None:
    rng = Random(1)
    made = [keys.key(rng) for _ in range(2000)]
    hyphened = [key for key in made if re.fullmatch("[a-z]+-[a-z]+", key) and key.split("-")[0] in ADJECTIVES]
    assert len(hyphened) > 1000
    assert any(UUID.fullmatch(key) for key in made)
    assert any(" " in key for key in made)
    assert any("_" in key for key in made)
    assert len(set(made)) > 1950


def test_a_lookalike_differs_in_one_word_of_the_key() -> None:
    rng = Random(2)
    for _ in range(500):
        key = keys.key(rng)
        other = keys.lookalike(rng, key)
        mine, theirs = re.split("[-_ ]", key), re.split("[-_ ]", other)
        assert sum(one != two for one, two in zip(mine, theirs, strict=True)) == 1


def test_uuids_are_of_version_4() -> None:
    rng = Random(3)
    assert all(UUID.fullmatch(keys.uuid(rng)) for _ in range(50))


# Needles


def test_a_quarter_of_the_needles_is_worded_as_in_ruler() -> None:
    made = drawn(needles.single, 400)
    question = re.compile(r"What is the special magic (number|uuid) for .* mentioned in the provided text\?")
    ruler = [one for one in made if question.fullmatch(one.question)]
    assert 70 < len(ruler) < 140
    needle = re.compile(r"One of the special magic (numbers|uuids) for .+ is: .+\.")
    assert sum(bool(needle.search(gold(one)[0])) for one in ruler) > 60
    assert len({re.sub(r"[a-z]*[-_ ]?[a-z]* for .*", "", one.question) for one in made}) > 12


def test_several_values_are_listed_in_the_order_of_their_documents() -> None:
    for episode in drawn(needles.multivalue) + drawn(needles.multiquery):
        text = "\n".join(gold(episode))
        places = [text.index(value) for value in episode.answer.split(", ")]
        assert len(places) >= 2
        assert places == sorted(places)


def test_every_key_of_a_multiquery_is_in_the_question_and_has_a_document() -> None:
    for episode in drawn(needles.multiquery):
        values = episode.answer.split(", ")
        assert len(episode.rounds) == 1
        assert 1 <= len(gold(episode)) <= len(values)
        assert all(value not in episode.question for value in values)


def test_documents_of_a_multiquery_are_named_in_the_order_of_the_keys_in_the_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The question is all there is to go by when documents are named; where two keys share one, the first counts."""
    numbers = count(100)
    monkeypatch.setattr(needles, "key", lambda rng: f"key-{next(numbers)}")
    made = drawn(needles.multiquery)
    for episode in made:
        asked = re.findall(r"key-\d+", episode.question)
        stated = [episode.documents[place] for place in named(episode)]
        firsts = [min(asked.index(key) for key in re.findall(r"key-\d+", text)) for text in stated]
        assert firsts == sorted(set(firsts))
    assert any(named(episode) != sorted(named(episode)) for episode in made)


def test_needle_haystacks_hold_needles_only_one_of_them_asked_for() -> None:
    for episode in drawn(needles.needle_haystack):
        assert gold(episode)[0].count(episode.answer) == 1
        assert all(re.search(r"\d", document) for document in episode.documents)


def test_filler_has_20_to_110_words_and_keeps_what_is_hidden_in_order() -> None:
    rng = Random(4)
    lengths = [len(" ".join(filler(rng)).split()) for _ in range(300)]
    assert max(lengths) <= 115
    assert sum(length >= 15 for length in lengths) > 290
    for _ in range(50):
        document = hide(rng, ["FIRST.", "SECOND."])
        assert document.index("FIRST.") < document.index("SECOND.")
