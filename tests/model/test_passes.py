from __future__ import annotations

import tiny
import torch
from torch import Tensor

from msa_bench.model.cache import LayerCache
from msa_bench.model.decoder import Decoder
from msa_bench.model.passes import document_pass, query_pass
from msa_bench.model.pooling import part_places
from msa_bench.parity.train import cumulative_means

LENGTHS = torch.tensor([9, 4, 1, 12, 6])


def padded(lengths: Tensor) -> Tensor:
    ids = torch.randint(0, 256, (len(lengths), int(lengths.max())), generator=torch.Generator().manual_seed(2))
    return ids * (torch.arange(ids.shape[1]) < lengths[:, None])


def empty_caches(decoder: Decoder, rows: int) -> list[LayerCache]:
    config, like = decoder.config, decoder.model.embed_tokens.weight
    return [LayerCache(rows, config.kv_heads, config.head_dim, 4, like) for _ in range(config.layers)]


def test_documents_read_together_equal_documents_read_alone() -> None:
    for similarity in ("cosine", "dot"):
        decoder, ids = tiny.model(similarity=similarity).decoder, padded(LENGTHS)
        together = document_pass(decoder, ids, LENGTHS)
        alone = [
            document_pass(decoder, row[:length][None], torch.tensor([length]))
            for row, length in zip(ids, LENGTHS.tolist(), strict=True)
        ]
        for layer, pooled in together.items():
            for part in ("keys", "values", "routing_keys"):
                single = torch.cat([getattr(one[layer], part) for one in alone])
                assert (getattr(pooled, part) - single).abs().max() < 1e-4


def test_the_last_chunk_is_averaged_over_its_own_tokens() -> None:
    decoder = tiny.model(similarity="dot").decoder
    pooled = document_pass(decoder, padded(LENGTHS)[:1], LENGTHS[:1])[2]
    hidden = decoder.model.embed_tokens(padded(LENGTHS)[:1, :9])
    rope = decoder.rope(torch.arange(9)[None])

    def attend(layer: object, normed: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

    for layer in decoder.layers[:2]:
        hidden = layer(hidden, rope, attend)
    _, k, v = decoder.layers[2].self_attn.project(decoder.layers[2].input_layernorm(hidden), rope)
    assert pooled.keys.shape[0] == 3
    assert torch.allclose(pooled.keys[2], k[0, :, 8], atol=1e-5)
    assert torch.allclose(pooled.values[1], v[0, :, 4:8].mean(1), atol=1e-5)


def test_finer_routing_keys_are_those_of_finer_chunks_and_change_nothing_else() -> None:
    ids = padded(LENGTHS)
    for decoupled in (True, False):
        coarse, finer, whole = (
            document_pass(tiny.model(decouple_router=decoupled, **msa).decoder, ids, LENGTHS)
            for msa in ({}, {"chunk_tokens": 2}, {"keys_per_chunk": 2})
        )
        for layer, pooled in whole.items():
            assert torch.equal(pooled.keys, coarse[layer].keys)
            assert torch.equal(pooled.values, coarse[layer].values)
            wanted = finer[layer].routing_keys[part_places(LENGTHS, 2, 2)]
            torch.testing.assert_close(pooled.routing_keys, wanted)


def test_chunk_means_stay_accurate_far_into_a_document() -> None:
    decoder = tiny.model(router_layers=(0,), sizes={"num_hidden_layers": 1}).decoder
    decoder.model.embed_tokens.weight += 3.0
    ids = torch.randint(0, 256, (1, 131_072), generator=torch.Generator().manual_seed(3))
    values = document_pass(decoder, ids, torch.tensor([ids.shape[1]]))[0].values
    layer = decoder.layers[0]
    exact = layer.self_attn.v_proj(layer.input_layernorm(decoder.model.embed_tokens(ids)))[0].double()
    exact = exact.view(-1, 4, 2, 8).mean(1)
    assert (values - exact).abs().max() < 2e-6
    tokens = layer.self_attn.v_proj(layer.input_layernorm(decoder.model.embed_tokens(ids)))[0].view(-1, 2, 8)
    summed = cumulative_means(tokens, [4] * (len(tokens) // 4))
    assert (summed - exact).abs().max() > 1e-4, "the data does not show what a cumulative sum would lose"


def test_tokens_appended_together_attend_only_what_came_before_them() -> None:
    decoder, ids = tiny.model(similarity="dot").decoder, padded(torch.tensor([12, 12]))
    real, positions = torch.ones(2, 12, dtype=torch.bool), torch.arange(12).expand(2, -1)
    at_once, in_parts = empty_caches(decoder, 2), empty_caches(decoder, 2)
    whole = query_pass(decoder, ids, positions, real, at_once)
    parts = [
        query_pass(decoder, ids[:, a:b], positions[:, a:b], real[:, a:b], in_parts)
        for a, b in ((0, 5), (5, 6), (6, 12))
    ]
    assert (whole - torch.cat(parts, dim=1)).abs().max() < 1e-4
    ids[:, -1] += 1
    changed = query_pass(decoder, ids, positions, real, empty_caches(decoder, 2))
    assert torch.equal(changed[:, :-1], whole[:, :-1])
    assert not torch.equal(changed[:, -1], whole[:, -1])


def test_padding_on_the_left_changes_nothing() -> None:
    decoder, ids = tiny.model(similarity="dot").decoder, padded(torch.tensor([7]))
    alone = query_pass(
        decoder, ids, torch.arange(7)[None], torch.ones(1, 7, dtype=torch.bool), empty_caches(decoder, 1)
    )
    wide = torch.cat((torch.zeros(1, 5, dtype=torch.int64), ids), dim=1)
    real = torch.arange(12)[None] >= 5
    positions = (torch.arange(12) - 5).clamp(min=0)[None]
    beside = query_pass(decoder, wide, positions, real, empty_caches(decoder, 1))
    assert (beside[:, 5:] - alone).abs().max() < 1e-4
