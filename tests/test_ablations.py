from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from toys import ToyCorpus

from msa_bench.ablations import HELP, NOTES, encoding, parse
from msa_bench.contracts import Answer, Question, SystemRequest
from msa_bench.errors import UserError
from msa_bench.generation.forced import uniform
from msa_bench.memory.encode import encode_corpus
from msa_bench.memory.plan import Budget
from msa_bench.model.rerouting import rerouted
from msa_bench.system import UNTRAINED, MSASystem

TEXTS = (*(f"Box number {number} has the code {number * 7919}." for number in range(40)), "The red box has 11.")
CORPUS = ToyCorpus(TEXTS, private_ids=(40,))
RED = Question("red", "What is the code of the red box?", ("11",), gold_ids=(40,), own_ids=(40,), replaced_ids=(0,))
TWO = Question("two", "What are the codes of boxes 7 and 23?", ("x",), gold_ids=(23, 7))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released checkpoint: its router is its own."""
    place = tmp_path_factory.mktemp("ablations") / "model"
    return tiny.write_checkpoint(place, released={"router_layer_idx": "1,2,3", "aux_loss_method": "INFONCE"})


def make(checkpoint: Path, ablations: Mapping[str, str] | None = None, **settings: Any) -> MSASystem:
    chosen = {"device": "cpu", "dtype": "float32", "max_answer_tokens": 4} | settings
    return MSASystem(SystemRequest(str(checkpoint), ablations={"top_k": "3"} | dict(ablations or {}), **chosen))


def answers(one: MSASystem, *questions: Question) -> dict[str, Answer]:
    one.index(CORPUS)
    return {answer.question_id: answer for answer in one.answer(questions)}


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"interleave": "off", "rounds": "3"}, "interleave=off leaves a single round, so rounds=3 means nothing"),
        ({"routing": "oracle", "similarity": "dot"}, "the gold documents decide what is routed to"),
        ({"routing": "random", "similarity": "cosine"}, "the seed decide"),
        ({"routing": "best"}, "routing is own, untrained, random or oracle"),
        ({"chunk": "0"}, "chunk takes a whole number from 1"),
        ({"read": "some"}, "read takes a whole number from 0"),
        ({"router_layers": ""}, "router_layers takes layers from 0"),
        ({"router_layers": "9-3"}, "router_layers takes layers from 0"),
        ({"router_layers": "all"}, "router_layers takes layers from 0"),
    ],
)
def test_switches_that_make_no_sense_are_refused_in_one_sentence(chosen: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse(chosen)
    with pytest.raises(UserError):
        encoding(chosen)


def test_every_switch_says_what_it_takes_away_and_which_section_it_tests() -> None:
    for key, text in HELP.items():
        assert "take" in text or key in ("similarity",), key
        assert "section" in text or "not in the paper" in text, key


def test_only_what_changes_the_encoding_asks_for_a_bank_of_its_own() -> None:
    kept = {"interleave": "off", "original_text": "off", "ids": "free", "top_k": "4", "rounds": "1", "documents": "2"}
    del kept["rounds"]
    assert encoding(kept) == encoding({"routing": "oracle"}) == encoding({"routing": "random"}) == ""
    new = [{"chunk": "16"}, {"rope": "global"}, {"similarity": "dot"}, {"router_layers": "2"}, {"routing": "untrained"}]
    assert len({encoding(one) for one in new} | {""}) == len(new) + 1


def test_oracle_routes_the_gold_documents_in_every_layer_and_says_so_everywhere(checkpoint: Path) -> None:
    one = make(checkpoint, {"routing": "oracle"})
    found = answers(one, RED, TWO)
    assert found["red"].ranking[0] == 40
    assert found["two"].ranking[:2] == (7, 23)
    for told in (one.describe()["notes"], one.index(CORPUS).notes, found["red"].notes):
        assert NOTES["oracle"] in told
    assert one.describe()["routing"] == "oracle"
    honest = answers(make(checkpoint), RED, TWO)
    assert set(honest["two"].ranking[:2]) != {7, 23}
    assert "routing" not in make(checkpoint).describe()


def test_oracle_routes_no_gold_document_that_is_hidden_and_no_more_than_top_k(checkpoint: Path) -> None:
    stray = Question("stray", "What?", ("x",), gold_ids=(0, 5, 6, 7, 8), replaced_ids=(0,))
    found = answers(make(checkpoint, {"routing": "oracle"}), stray)["stray"]
    assert found.ranking[:4] == (5, 6, 7, 8)
    assert set(found.documents) <= {5, 6, 7}


def test_oracle_without_gold_documents_is_refused(checkpoint: Path) -> None:
    with pytest.raises(UserError, match="routing=oracle needs the gold documents of every question, and none has none"):
        answers(make(checkpoint, {"routing": "oracle"}), Question("none", "What?", ("x",)))


def test_random_routing_depends_on_the_seed_and_the_question_and_on_nothing_else(checkpoint: Path) -> None:
    chosen = {"routing": "random"}
    first = answers(make(checkpoint, chosen), RED, TWO)
    again = answers(make(checkpoint, chosen, batch_size=1), TWO)["two"]
    assert (again.ranking, again.documents, again.text) == (
        first["two"].ranking,
        first["two"].documents,
        first["two"].text,
    )
    assert first["two"].ranking != answers(make(checkpoint, chosen, seed=43), TWO)["two"].ranking
    assert 0 not in first["red"].ranking
    assert 40 not in first["two"].ranking
    assert NOTES["random"] in first["red"].notes


def test_documents_are_drawn_evenly_and_alike_over_any_number_of_processes() -> None:
    whole = uniform(7, 0, 100_000)
    assert torch.equal(torch.cat((uniform(7, 0, 40_000), uniform(7, 40_000, 60_000))), whole)
    assert abs(float(whole.mean()) - 0.5) < 0.005
    counts = torch.histc(whole, 10, 0, 1)
    assert float((counts - 10_000).abs().max()) < 400
    assert uniform(2**64 - 1, 0, 2).tolist() != uniform(2**64 - 2, 0, 2).tolist()


@pytest.mark.parametrize("routing", ["oracle", "random"])
def test_forced_routing_is_the_same_over_keys_kept_in_8_bits(checkpoint: Path, routing: str) -> None:
    one = make(checkpoint, {"routing": routing})
    expected = answers(one, RED, TWO)
    model = one.model
    from msa_bench.memory.bank import MemoryBank, Placement

    bank = MemoryBank(model.config, model.device, model.dtype, 0, Placement(keys="int8", rescore=True))
    exact = encode_corpus(model, CORPUS, budget=Budget())
    bank.reserve(exact.offsets.diff(), exact.tokens)
    bank.write(torch.arange(exact.chunks), {layer: exact.pooled(layer) for layer in exact.layers})
    one._bank = bank
    first = 1 if routing == "oracle" else 3
    for answer in one.answer([RED, TWO]):
        assert answer.ranking[:first] == expected[answer.question_id].ranking[:first]


def test_untrained_routing_replaces_the_router_and_changes_only_that(checkpoint: Path) -> None:
    own, copied = make(checkpoint).model, make(checkpoint, {"routing": "untrained"}).model
    assert own.sha256 != copied.sha256
    for layer in (1, 2, 3):
        ours, theirs = own.decoder.layers[layer].self_attn, copied.decoder.layers[layer].self_attn
        assert torch.equal(theirs.router_q_proj[0].weight, ours.q_proj.weight)
        assert torch.equal(theirs.router_k_proj[0].weight, ours.k_proj.weight)
        assert not torch.equal(ours.router_q_proj[0].weight, ours.q_proj.weight)
        assert theirs.v_proj.weight.data_ptr() == ours.v_proj.weight.data_ptr()
    one = make(checkpoint, {"routing": "untrained"})
    assert UNTRAINED in answers(one, TWO)["two"].notes
    assert UNTRAINED not in make(checkpoint).describe()["notes"]


def test_untrained_routing_of_a_plain_backbone_is_what_it_does_anyway(tmp_path: Path) -> None:
    plain = tiny.write_checkpoint(tmp_path / "plain")
    assert make(plain).model.sha256 == make(plain, {"routing": "untrained"}).model.sha256
    assert (
        answers(make(plain), TWO)["two"].ranking == answers(make(plain, {"routing": "untrained"}), TWO)["two"].ranking
    )


def test_a_model_that_routes_by_its_attention_has_no_router_to_take_away() -> None:
    with pytest.raises(UserError, match="routing=untrained has nothing to take away"):
        rerouted(tiny.model(decouple_router=False), {}, untrained=True)


def test_fewer_router_layers_keep_less_and_the_others_read_without_memory(checkpoint: Path) -> None:
    whole, half = make(checkpoint), make(checkpoint, {"router_layers": "2-3"})
    assert half.describe()["router_layers"] == [2, 3]
    assert half.index(CORPUS).bytes * 3 == whole.index(CORPUS).bytes * 2
    assert not half.model.decoder.layers[1].self_attn.routes
    assert whole.model.decoder.layers[1].self_attn.routes
    assert len(answers(half, TWO)) == 1


def test_only_layers_with_a_router_can_route_unless_it_is_a_copy(checkpoint: Path) -> None:
    with pytest.raises(UserError, match=r"names layer 0, but .* has no router there; its router layers are 1 to 3"):
        make(checkpoint, {"router_layers": "0-2"})
    with pytest.raises(UserError, match=r"names layer 4, but .* has no such layer"):
        make(checkpoint, {"router_layers": "3,4"})
    with pytest.raises(UserError, match=r"no such layer; its layers are 0 to 3"):
        make(checkpoint, {"router_layers": "4", "routing": "untrained"})
    assert make(checkpoint, {"router_layers": "0-2", "routing": "untrained"}).describe()["router_layers"] == [0, 1, 2]


def test_every_round_reads_the_best_it_routed_to_where_told(checkpoint: Path) -> None:
    answer = answers(make(checkpoint, {"read": "3", "rounds": "2"}), RED)["red"]
    first = answer.trace["rounds"][0]
    assert len(first) == 3
    assert set(answer.ranking[:3]) & set(first)
    assert make(checkpoint, {"read": "3"}).describe()["limits"]["documents_read"] == 3
    assert "documents_read" not in make(checkpoint).describe()["limits"], "older runs are still the same run"


def test_larger_chunks_keep_less(checkpoint: Path) -> None:
    small, large = make(checkpoint, {"chunk": "4"}), make(checkpoint, {"chunk": "64"})
    assert small.index(CORPUS).bytes > 3 * large.index(CORPUS).bytes
    assert large.describe()["chunk_tokens"] == 64
    assert len(answers(small, TWO)) == 1


def test_ways_of_encoding_have_banks_of_their_own_and_the_others_share_one(checkpoint: Path, tmp_path: Path) -> None:
    ways: list[dict[str, str]] = [{}, {"chunk": "4"}, {"router_layers": "2-3"}, {"routing": "untrained"}]
    for count, way in enumerate(ways, start=1):
        expected = answers(make(checkpoint, way), RED)["red"]
        first, second = (make(checkpoint, way, bank=tmp_path) for _ in range(2))
        assert not first.index(CORPUS).reused
        assert second.index(CORPUS).reused
        assert answers(second, RED)["red"].text == expected.text
        assert len(list(tmp_path.iterdir())) == count
    for way in ({"routing": "oracle"}, {"routing": "random"}, {"interleave": "off"}):
        assert make(checkpoint, way, bank=tmp_path).index(CORPUS).reused
    assert len(list(tmp_path.iterdir())) == len(ways)
