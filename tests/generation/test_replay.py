"""The replayed step without its capture, which takes a GPU: what it computes is what the growing caches compute."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import tiny
import torch

from msa_bench.errors import UserError
from msa_bench.generation import decode, replay
from msa_bench.generation.decode import Session
from msa_bench.model.backbone import Backbone
from msa_bench.model.decoder import DecoderLayer
from msa_bench.model.passes import Context

PROMPTS = [list(range(10, 30)), list(range(40, 45)), [7, 8, 9]]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Backbone]:
    monkeypatch.setattr(replay, "CAPACITY_STEP", 16)
    monkeypatch.setattr(decode, "worth_replaying", lambda device: True)
    return tiny.model(seed=5)


def recall(layer: DecoderLayer, queries: torch.Tensor) -> Context:
    """Two columns of context in every router layer, of which the second row sees one."""
    rows, attention = len(queries), layer.self_attn
    chance = torch.Generator().manual_seed(layer.index)
    keys, values = torch.randn(2, rows, attention.kv_heads, 2, attention.head_dim, generator=chance)
    visible = torch.ones(rows, 2, dtype=torch.bool)
    visible[1, 0] = False
    return Context(keys, values, visible)


def script(session: Session) -> list[torch.Tensor]:
    """Logits of a prefill, single tokens, a row that leaves, several tokens at once, and single tokens again."""
    found = [session.feed(PROMPTS, recall)]
    found += [session.feed([[token], [token + 1], [token + 2]]) for token in (50, 60, 70)]
    session.keep([0, 2])
    found += [session.feed([[3], [4]])]
    found += [session.feed([[5], [6, 7, 8]])]
    found += [session.feed([[9], [10]])]
    session.keep([1])
    return [*found, session.feed([[11]])]


def head(model: Backbone) -> list[tuple[torch.Tensor, torch.Tensor]]:
    config = model.config
    chance = torch.Generator().manual_seed(9)
    shape = (2, config.kv_heads, 3, config.head_dim)
    return [tuple(torch.randn(shape, generator=chance)) for _ in range(config.layers)]  # type: ignore[misc]


def logits(model: Backbone, monkeypatch: pytest.MonkeyPatch, replays: bool, room: int = 64) -> list[torch.Tensor]:
    monkeypatch.setattr(decode, "worth_replaying", lambda device: replays)
    session = Session(model.decoder, 3, room, 5, head(model))
    found = [one.clone() for one in script(session)]
    assert (session.caches[0].keys.shape[0] == 4) == replays, "rows are rounded up to a power of two"
    return found


def test_replayed_steps_compute_what_growing_caches_do(model: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    growing = logits(model, monkeypatch, replays=False)
    for _ in range(2):  # the second time on caches that held another batch
        for one, other in zip(growing, logits(model, monkeypatch, replays=True), strict=True):
            torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-5)
        gc.collect()


def test_a_step_that_has_no_room_left_gives_way_to_growing_caches(
    model: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prompt already fills the room a session was made with, and the one step of it."""
    monkeypatch.setattr(replay, "CAPACITY_STEP", 1)
    growing = logits(model, monkeypatch, replays=False, room=20)
    for _ in range(2):
        for one, other in zip(growing, logits(model, monkeypatch, replays=True, room=20), strict=True):
            torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-5)
        gc.collect()


def test_two_sessions_at_once_have_steps_of_their_own_and_later_ones_use_them_again(model: Backbone) -> None:
    def begun() -> Session:
        session = Session(model.decoder, 2, 40)
        session.feed(PROMPTS[:2])
        session.feed([[1], [2]])
        return session

    one, two = begun(), begun()
    assert one.caches[0] is not two.caches[0]
    kept = one.caches[0]
    del one
    gc.collect()
    three = begun()
    assert three.caches[0] is kept
    assert three.caches[0] is not two.caches[0]


def test_the_environment_can_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert (decode.worth_replaying(cpu), decode.worth_replaying(gpu)) == (False, True)
    monkeypatch.setenv("MSA_BENCH_GRAPHS", "0")
    assert not decode.worth_replaying(gpu)
    monkeypatch.setenv("MSA_BENCH_GRAPHS", "perhaps")
    with pytest.raises(UserError, match="MSA_BENCH_GRAPHS is 'perhaps'; it is 0 or 1"):
        decode.worth_replaying(gpu)


def test_caches_too_large_to_keep_are_not_kept(model: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "KEPT_BYTES", 1)
    session = Session(model.decoder, 2, 40)
    session.feed(PROMPTS[:2])
    before = session.caches
    session.feed([[1], [2]])
    assert session.caches is before


def test_idle_steps_make_room(model: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    def begun(prompt: int) -> Session:
        session = Session(model.decoder, 1, prompt + 10)
        session.feed([list(range(prompt))])
        session.feed([[1]])
        return session

    replays = replay._made.setdefault(model.decoder, [])
    begun(20)
    gc.collect()
    monkeypatch.setattr(replay, "KEPT_BYTES", 2 * replay._bytes(model.decoder, 1, 48))
    begun(30)
    gc.collect()
    assert [one.capacity for one in replays] == [32, 48]
    begun(50)
    assert [one.capacity for one in replays] == [64]
