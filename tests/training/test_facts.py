"""Facts about invented entities, chains of them, and questions nothing answers."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from toy_episodes import ENOUGH, drawn, named

from msa_bench.model.prompts import NOT_IN_MEMORY
from msa_bench.training.episodes import chains, facts
from msa_bench.training.episodes.world import PATTERNS, RELATIONS, WORLD


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
        hops = int(episode.kind[5:])
        assert episode.rounds == tuple((hop,) for hop in range(hops))
        assert episode.answer in episode.documents[hops - 1]
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


def test_the_whole_chain_of_a_lookalike_is_asked_about_over_the_same_documents() -> None:
    twins = 0
    for seed in range(100):
        episode = chains.chain(Random(seed))
        for twin in (one for one in episode.further if len(one.rounds) > 1):
            twins += 1
            assert (twin.kind, twin.rounds) == (episode.kind, episode.rounds)
            hops = len(twin.rounds)
            assert set(twin.documents) == set(episode.documents)
            assert set(twin.documents[:hops]).isdisjoint(episode.documents[:hops])
            assert twin.answer in twin.documents[hops - 1]
            assert twin.question != episode.question
    assert 45 < twins < 75


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
