from __future__ import annotations

import re
from collections import Counter
from functools import partial
from importlib.resources import files as package_files
from itertools import count, pairwise
from random import Random

import pytest
from toy_episodes import ENOUGH, drawn

from msa_bench.relations import Relation
from msa_bench.training.episodes import NOT_IN_MEMORY, Episode, chains, facts, keys, needles
from msa_bench.training.episodes.documents import filler, hide
from msa_bench.training.episodes.episode import Generate
from msa_bench.training.episodes.mix import INVENTED
from msa_bench.training.episodes.words import ADJECTIVES, COINED, NOUNS
from msa_bench.training.episodes.world import PATTERNS, RELATIONS, WORLD

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def named(episode: Episode) -> list[int]:
    """Places of the gold documents, in the order they are to be named."""
    return [place for round_ in episode.rounds for place in round_]


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
            assert further.rounds == ((0,),)
            assert set(further.documents) <= set(negatives)
            assert further.answer in further.documents[0]
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


# Facts and chains


def test_every_relation_has_three_wordings_and_names_what_it_must() -> None:
    assert len(RELATIONS) >= 20
    assert len({relation.name for relation in WORLD.relations}) == len(WORLD.relations) > 1000
    for relation in WORLD.relations:
        assert len(set(relation.statements)) >= 3
        assert min(len(set(relation.questions)), len(set(relation.phrases))) >= 2
        assert all(form.count("{x}") == form.count("{y}") == 1 for form in relation.statements)
        assert all("{x}" in form and "{y}" not in form for form in relation.questions + relation.phrases)
        assert {relation.subject, relation.object} <= set(PATTERNS)


def test_documents_of_several_facts_are_named_in_the_order_of_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "phrase", lambda rng, asked: f"<{asked[0].object.name}>")
    made = drawn(facts.several_facts)
    for episode in made:
        asked = re.findall("<(.+?)>", episode.question)
        stated = [episode.documents[place] for place in named(episode)]
        assert all(one in text for one, text in zip(asked, stated, strict=True))
        assert episode.answer.split(", ") == [asked[named(episode).index(place)] for place in range(len(asked))]
    assert any(named(episode) != sorted(named(episode)) for episode in made)


def test_a_chain_has_a_round_for_every_hop_and_names_only_its_head() -> None:
    lengths: Counter[int] = Counter()
    for seed in range(150):
        episode = chains.chain(Random(seed))
        hops = int(episode.kind[5])
        broken = episode.kind.endswith("_absent")
        assert (episode.answer == NOT_IN_MEMORY) == broken
        assert episode.rounds == tuple((hop,) for hop in range(hops - broken))
        lengths[hops] += 1
    assert set(lengths) == {2, 3, 4}


def test_the_question_of_a_chain_does_not_name_what_lies_between() -> None:
    rng = Random(6)
    for _ in range(200):
        path = WORLD.path(rng, 3)
        linked = WORLD.chain(rng, path)
        assert len({relation.name for relation in path}) == 3
        assert all(one.object == two.subject for one, two in pairwise(linked))
        asked = chains.question(rng, linked)
        assert linked[0].subject.name in asked
        assert not any(fact.object.name in asked for fact in linked)


def test_of_the_entities_of_a_chain_further_facts_are_told_and_what_is_asked_of_its_end_of_its_head_too() -> None:
    trapped = 0
    for seed in range(300):
        rng = Random(seed)
        linked = WORLD.chain(rng, WORLD.path(rng, 2))
        told = [(one.relation.name, one.subject) for one in (*linked, *chains._negatives(rng, linked))]
        assert len(set(told)) == len(told)
        head, asked = linked[0].subject, linked[-1].relation
        if len(WORLD._of[head.kind]) > 20:
            assert sum(subject == head for _, subject in told) >= 2
        if asked.subject == head.kind:
            assert (asked.name, head) in told
            trapped += 1
    assert trapped > 20


def test_beside_many_a_chain_stands_a_whole_one_that_only_its_head_tells_from_it() -> None:
    whole = 0
    for seed in range(100):
        rng = Random(seed)
        linked = WORLD.chain(rng, WORLD.path(rng, 2))
        found = {(one.relation.name, one.subject): one.object for one in chains._negatives(rng, linked)}
        first, last = (fact.relation.name for fact in linked)
        middles = [found[name, subject] for name, subject in found if name == first]
        whole += any((last, middle) in found for middle in middles)
    assert 45 < whole < 75


def test_a_lookalike_entity_differs_in_a_single_part() -> None:
    rng = Random(7)
    for kind in PATTERNS:
        entity = WORLD.entity(rng, kind)
        other = WORLD.lookalike(rng, entity)
        assert sum(one != two for one, two in zip(entity.parts, other.parts, strict=True)) == 1


def test_absent_episodes_have_nothing_to_find_but_hard_negatives() -> None:
    for episode in drawn(facts.absent):
        assert (episode.kind, episode.rounds, episode.answer) == ("absent", (), NOT_IN_MEMORY)
    assert sum(bool(episode.documents) for episode in drawn(facts.absent)) > ENOUGH / 2


def test_nothing_is_said_of_an_entity_a_question_is_denied_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "_ABSENT_NEEDLE_SHARE", 0)
    monkeypatch.setattr(facts, "question", lambda rng, asked: asked[0].subject.name)
    for episode in drawn(facts.absent):
        assert episode.documents
        assert not any(episode.question in document for document in episode.documents)


def test_where_a_chain_breaks_only_its_last_hop_tells_of_the_entity_it_ends_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "_chain", partial(chains._chain, broken_share=1.0))
    monkeypatch.setattr(chains, "question", lambda rng, asked: asked[-1].subject.name)
    for episode in drawn(chains.chain):
        telling = [episode.question in document for document in episode.documents]
        assert telling.index(True) == len(episode.rounds) - 1
        assert telling.count(True) == 1
