from __future__ import annotations

import pytest
import tiny
import torch

from msa_bench.errors import UserError
from msa_bench.memory.encode import encode_corpus, worth_compiling
from msa_bench.model.compiled import compiled_layers


@pytest.mark.slow
@pytest.mark.skipif(" " in torch.__file__, reason="PyTorch's compiler for CPUs cannot build from a path with a space")
def test_compiled_layers_keep_the_same_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow: it compiles for the CPU."""
    plain = encode_corpus(tiny.model(), tiny.corpus())
    monkeypatch.setenv("MSA_BENCH_COMPILE", "1")
    fused = encode_corpus(tiny.model(), tiny.corpus())
    for layer in plain.msa.router_layers:
        torch.testing.assert_close(fused.pooled(layer).keys, plain.pooled(layer).keys, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(fused.routing_keys(layer), plain.routing_keys(layer), atol=1e-5, rtol=1e-5)


def test_layers_are_as_they_were_afterwards() -> None:
    decoder = tiny.model().decoder
    with compiled_layers(decoder):
        assert "before" in vars(decoder.layers[0])
    assert not {"before", "after"} & {name for layer in decoder.layers for name in vars(layer)}


def test_layers_are_compiled_for_long_memories_on_a_gpu_or_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert worth_compiling(gpu, 10**8)
    assert not worth_compiling(gpu, 10**5)
    assert not worth_compiling(cpu, 10**8)
    monkeypatch.setenv("MSA_BENCH_COMPILE", "1")
    assert worth_compiling(cpu, 1)
    monkeypatch.setenv("MSA_BENCH_COMPILE", "0")
    assert not worth_compiling(gpu, 10**8)
    monkeypatch.setenv("MSA_BENCH_COMPILE", "yes")
    with pytest.raises(UserError, match="MSA_BENCH_COMPILE is 'yes'"):
        worth_compiling(gpu, 1)
