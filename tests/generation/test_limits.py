"""What bounds a question from above, and what it must do at least: read, and look again before it denies."""

from __future__ import annotations

import pytest
from toy_rounds import END_ROUND, QUESTION, STOP, end_of_retrieve, machine, shown, tokens_of, write

from msa_bench.generation.interleave import Decision, Switches
from msa_bench.model.prompts import ANSWER_START, NOT_IN_MEMORY


def test_the_first_documents_named_are_kept_when_there_are_too_many() -> None:
    one = machine(documents_per_round=2)
    state, _ = write(one, one.start(QUESTION), [*tokens_of("[11][4][5][3]"), END_ROUND])
    assert state.documents == (5, 11)
    assert state.bounds == ("documents_per_round",)
    state, _ = write(one, state, [*tokens_of("[11][5][3]"), END_ROUND])
    assert state.bounds == ("documents_per_round",)


def test_a_round_reads_the_best_it_routed_to_beside_what_it_named_where_it_is_told_to() -> None:
    for told, read in ((0, (5,)), (1, (5,)), (2, (5, 11)), (9, (3, 5, 11))):
        one = machine(documents_read=told)
        state, _ = write(one, one.start(QUESTION), [*tokens_of("[5]"), END_ROUND], routed=(4, 11, 5, 3))
        assert state.documents == read
    assert shown(state).endswith("[5]<|object_ref_end|>[3]. third\n[5]. fifth\n[11]. eleventh\n<|object_ref_end|>")
    state, _ = write(one, state, [*tokens_of("[3]"), END_ROUND], routed=(11, 5))
    assert state.round_documents[1] == (3,), "what was read is not read again but where it is named"
    assert (state.named, state.documents) == ((5, 3), (3, 5, 11))
    one = machine(documents_read=3, documents_per_round=1)
    state, _ = write(one, one.start(QUESTION), [*tokens_of("[5]"), END_ROUND], routed=(11, 3))
    assert state.documents == (5,), "never more than a round may read"


def test_the_first_round_reads_before_retrieval_can_end_where_rounds_read_more_than_they_name() -> None:
    one = machine(documents_read=1)
    state, decision = write(one, one.start(QUESTION), end_of_retrieve(), routed=(11, 3))
    assert decision is Decision.NEXT_ROUND
    assert state.documents == (11,)
    assert shown(state).endswith("<|object_ref_end|>[11]. eleventh\n<|object_ref_end|>")
    _, decision = write(one, state, end_of_retrieve(), routed=(3,))
    assert decision is Decision.INSERT


def test_a_denial_is_believed_after_a_second_look_which_goes_on_from_where_retrieval_was_ended() -> None:
    one = machine()
    read, _ = write(one, one.start(QUESTION), [*tokens_of("[5]"), END_ROUND])
    denied = [*tokens_of(f"{ANSWER_START}{NOT_IN_MEMORY}"), STOP]
    state, _ = write(one, read, end_of_retrieve())
    state, decision = write(one, state, denied)
    assert decision is Decision.NEXT_ROUND
    assert (state.prompt, state.fresh, state.documents, state.rounds) == (read.prompt, (), (5,), 1)
    assert state.looking
    assert not state.answering
    state, _ = write(one, state, [*tokens_of("[3]"), END_ROUND])
    assert not state.looking
    assert shown(state).endswith("[5]. fifth\n<|object_ref_end|>[3]<|object_ref_end|>[3]. third\n<|object_ref_end|>")
    state, _ = write(one, state, end_of_retrieve())
    state, decision = write(one, state, denied)
    assert decision is Decision.FINISH
    assert (one.answer_text(state), state.looks, state.documents) == (NOT_IN_MEMORY, 1, (5, 3))


def test_no_second_look_is_taken_where_none_is_left_or_the_answer_was_asked_for_or_denies_nothing() -> None:
    denied = [*tokens_of(f"{ANSWER_START}{NOT_IN_MEMORY}"), STOP]
    for one in (machine(second_looks=0), machine(rounds=1), machine(Switches(interleave=False))):
        state, _ = write(one, one.start(QUESTION), [*tokens_of("[5]"), END_ROUND])
        if not state.answering:
            state, _ = write(one, state, end_of_retrieve())
        assert write(one, state, denied)[1] is Decision.FINISH
    one = machine()
    state, _ = write(one, one.start(QUESTION), end_of_retrieve())
    assert write(one, state, [*tokens_of(f"{ANSWER_START}red"), STOP])[1] is Decision.FINISH


def test_a_round_ends_after_exactly_its_most_tokens() -> None:
    one = machine(round_tokens=6)
    state, decision = write(one, one.start(QUESTION), [*tokens_of("[3]"), *tokens_of("a a a a a a")][:6])
    assert decision is Decision.NEXT_ROUND
    assert state.bounds == ("round_tokens",)
    assert state.documents == (3,)
    assert shown(state).count("<|object_ref_end|>") == 2


def test_a_round_that_ends_with_its_last_token_hit_no_bound() -> None:
    written = [*tokens_of("[3]"), END_ROUND]
    one = machine(round_tokens=len(written))
    state, decision = write(one, one.start(QUESTION), written)
    assert decision is Decision.NEXT_ROUND
    assert state.bounds == ()


def test_the_last_round_is_followed_by_the_answer() -> None:
    one = machine(rounds=2)
    state, _ = write(one, one.start(QUESTION), [*tokens_of("[3]"), END_ROUND])
    assert not state.answering
    state, decision = write(one, state, [*tokens_of("[5]"), END_ROUND])
    assert decision is Decision.NEXT_ROUND
    assert state.answering
    assert state.bounds == ("rounds",)
    assert state.rounds == 2
    state, decision = write(one, state, [*tokens_of("red"), STOP])
    assert decision is Decision.FINISH
    assert one.answer_text(state) == "red"


@pytest.mark.parametrize("most", [1, 5])
def test_an_answer_keeps_exactly_its_most_tokens(most: int) -> None:
    one = machine(answer_tokens=most)
    state, _ = write(one, one.start(QUESTION), end_of_retrieve())
    wanted = tokens_of("red box")[:most] if most == 1 else tokens_of("a b c d e")[:most]
    state, decision = write(one, state, wanted)
    assert decision is Decision.FINISH
    assert list(state.answer_tokens) == wanted
    assert state.bounds == ("answer_tokens",)


def test_an_answer_that_ends_with_its_last_token_hit_no_bound() -> None:
    written = [*tokens_of("red"), STOP]
    one = machine(answer_tokens=len(written))
    state, _ = write(one, one.start(QUESTION), end_of_retrieve())
    state, decision = write(one, state, written)
    assert decision is Decision.FINISH
    assert state.bounds == ()


def test_a_prompt_that_would_outgrow_its_bound_takes_fewer_documents_and_then_answers() -> None:
    start = machine().start(QUESTION)
    one = machine(prompt_tokens=len(start.prompt.tokens) + 60)
    texts = {1: "short", 2: "long " * 200}
    state, decision = write(one, one.start(QUESTION), [*tokens_of("[1][2]"), END_ROUND], texts.get)
    assert state.documents == (1,)
    assert "prompt_tokens" in state.bounds
    assert decision is Decision.NEXT_ROUND
    assert state.answering
