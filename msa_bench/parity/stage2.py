"""Stage 2 of a golden case: the prefill of one and of two questions, with routing, and greedy steps after it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from msa_bench.generation.interleave import Decision, Interleave
from msa_bench.model.prompts import ROUTES, SILENT
from msa_bench.parity.case import Case, Computed, left_padded, recorded_layers
from msa_bench.parity.recording import prefill

FORWARDS = range(5)
"""The forwards computed where a case does not say how many it recorded."""

_PROMPT = ("input_ids", "doc_ids", "position_ids", "attention_mask")


@torch.inference_mode()
def stage2(case: Case) -> Computed | None:
    """The tensors of `stage2.safetensors`; None where the case asks nothing."""
    requests = case.meta.get("stage2")
    if not requests:
        return None
    computed = Computed(
        notes=[
            "rows of left padding are meaningless and not compared",
            "after the token that ends its round or answer, a row is not compared: ours has left the batch",
        ]
    )
    inputs = case.tensors("inputs.safetensors") or {}
    for name, request in requests.items():
        _decode(case, name, request["prompts"], len(request.get("forwards", FORWARDS)), computed)
        for part in _PROMPT:
            given, ours = inputs.get(f"{name}.{part}"), computed.tensors[f"{name}.fwd0.{part}"]
            same = computed.identical.get("prompts", True)
            computed.identical["prompts"] = same and (given is None or torch.equal(given, ours))
    return computed


def _decode(case: Case, name: str, questions: Sequence[str], forwards: int, computed: Computed) -> None:
    """One prefill and `forwards - 1` greedy steps of a batch of questions."""
    machine = Interleave(case.model.tokenizer)
    states = [machine.start(question) for question in questions]
    session, recall = prefill(case, [state.prompt for state in states], forwards)
    feed: list[Sequence[int]] = [state.prompt.tokens for state in states]
    roles = left_padded([state.prompt.roles for state in states], ROUTES)
    going, ended = torch.ones(len(states), dtype=torch.bool), torch.zeros(len(states), dtype=torch.bool)
    for step in range(forwards):
        first = session.next_position
        with recorded_layers(case.model.decoder) as layers:
            session.feed(feed, recall if step == 0 else None)
        values = _fed(case, feed, first) | _hidden(case, layers)
        real = values["attention_mask"].bool() & going[:, None]
        compared = {part: real for part in values if part != "attention_mask"} | {"attention_mask": going}
        values["doc_ids"], compared["doc_ids"] = roles, going
        if step == 0:
            values |= recall.routed() | recall.selected()
            heads = case.model.config.heads
            compared |= {part: real[:, None].expand(-1, heads, -1) for part in values if part.endswith(".routing_q")}
        computed.tensors |= {f"{name}.fwd{step}.{part}": value for part, value in values.items()}
        computed.compared |= {f"{name}.fwd{step}.{part}": where for part, where in compared.items()}
        best = values["logits"][:, -1].argmax(1).tolist()
        going = ~ended  # The token that ends a row is still fed, so the row counts for one more step.
        for row, token in enumerate(best):
            if not ended[row]:
                states[row], decision = machine.advance(states[row], token, case.text_of)
                ended[row] = decision is not Decision.GO_ON
        feed = [[token] for token in best]
        roles = torch.cat((roles, torch.full((len(states), 1), SILENT)), dim=1)


def _fed(case: Case, feed: Sequence[Sequence[int]], first: Tensor) -> dict[str, Tensor]:
    """What a session was fed, left-padded as it pads, with `first` `[rows]` the position each row went on from."""
    mask = left_padded([[1] * len(row) for row in feed], 0)
    return {
        "input_ids": left_padded(feed, int(case.released_config.get("pad_token_id") or 0)),
        "position_ids": first[:, None] + (mask.cumsum(1) - 1).clamp(min=0),
        "attention_mask": mask,
    }


def _hidden(case: Case, layers: dict[int, Tensor]) -> dict[str, Tensor]:
    """Hidden states after every layer and after the final norm, and the logits."""
    last = layers[case.model.config.layers - 1]
    values = {f"layer{layer}.hidden_out": hidden for layer, hidden in layers.items()}
    final = case.model.decoder.model.norm(last)
    return values | {"final_hidden": final, "logits": case.model.decoder.logits(last)}
