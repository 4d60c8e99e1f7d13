"""A question's rounds without a model: what it writes is given, token by token."""

from __future__ import annotations

from collections.abc import Callable

import tiny

from msa_bench.generation.interleave import Decision, Interleave, Limits, Progress, Switches

QUESTION = "Which box is red?"
TEXTS = {3: "third", 5: "fifth", 11: "eleventh"}
END_ROUND = tiny.token_id("<|object_ref_end|>")
STOP = tiny.token_id("<|im_end|>")


def machine(switches: Switches | None = None, **limits: int) -> Interleave:
    return Interleave(tiny.tokenizer(), Limits(**limits), switches or Switches())


def tokens_of(text: str) -> list[int]:
    return tiny.tokenizer().encode(text)


def write(
    one: Interleave,
    state: Progress,
    tokens: list[int],
    text_of: Callable[[int], str | None] = TEXTS.get,
    routed: tuple[int, ...] = (),
) -> tuple[Progress, Decision]:
    """Let the model write `tokens`; everything before the last must leave the decision open."""
    for token in tokens[:-1]:
        state, decision = one.advance(state, token, text_of, routed)
        assert decision is Decision.GO_ON
    return one.advance(state, tokens[-1], text_of, routed)


def end_of_retrieve() -> list[int]:
    return list(tiny.tokenizer().control.end_of_retrieve)


def shown(state: Progress, control: bool = True) -> str:
    return tiny.tokenizer().decode(state.prompt.tokens, control=control)
