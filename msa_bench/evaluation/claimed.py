"""The paper's claims in plain words, each with how it is measured and the command that does it."""

from __future__ import annotations

from collections.abc import Mapping

from msa_bench.evaluation.claim_measures import (
    TABLE2_TASKS,
    TABLE4_TASKS,
    Way,
    above,
    encoding_exponent,
    judged_decay,
    needle_drop,
    needles_at,
    never,
    switched_off,
)
from msa_bench.evaluation.claim_sizes import gpus_used, routing_key_bytes, stored_bytes

_MODEL = "--model EverMind-AI/MSA-4B"
_JUDGED = "--judge-model NAME --judge-url URL"
_QA = f"msa-bench run --task TASK {_MODEL} {_JUDGED}"
_NINE = ", for each of the nine banks"
_FOUR = f", for each of {', '.join(TABLE4_TASKS)}, and once more with"

WAYS: Mapping[str, Way] = {
    "decay": Way(
        "Grade lost from 16K to 100M tokens of memory: a judge's 0 to 5 over answers on MS MARCO",
        "share",
        False,
        f"msa-bench run --task ms_marco --length 16K {_MODEL} {_JUDGED}, and once more with --length 100M",
        judged_decay("16K", "100M"),
    ),
    "same-backbone-rag": Way(
        "Gain over retrieval (RAG) on the same backbone at its best number of passages: mean grade over nine "
        "question-answering banks",
        "share",
        True,
        f"{_QA} --system msa --system rag-dense{_NINE}",
        above({"rag-dense": "", "rag-bm25": "BM25 in place of a dense retriever"}, TABLE2_TASKS),
    ),
    "same-backbone-rerank": Way(
        "The same gain over retrieval with a reranker",
        "share",
        True,
        f"{_QA} --system msa --system rag-rerank{_NINE}",
        above({"rag-rerank": ""}, TABLE2_TASKS),
    ),
    "same-backbone-hipporag": Way(
        "The same gain over HippoRAG 2, retrieval over a graph of extracted facts",
        "share",
        True,
        f"{_QA} --system msa --system hipporag{_NINE}",
        above({"hipporag": ""}, TABLE2_TASKS),
    ),
    "niah-1m": Way(
        "Needles found in a memory of 1M tokens: mean accuracy over RULER's eight needle-in-a-haystack subtasks",
        "accuracy",
        False,
        f"msa-bench run --task niah --length 1M --samples 50 {_MODEL}",
        needles_at("msa", "1M"),
    ),
    "niah-drop": Way(
        "Needle accuracy lost from 32K to 1M tokens",
        "points",
        False,
        f"msa-bench run --task niah --length 32K --samples 50 {_MODEL}, and once more with --length 1M",
        needle_drop("32K", "1M"),
    ),
    "backbone-collapse": Way(
        "Needle accuracy of the unmodified backbone that reads all 1M tokens itself",
        "accuracy",
        False,
        "msa-bench run --task niah --length 1M --samples 50 --system full-context --model Qwen/Qwen3-4B-Instruct-2507",
        needles_at("full-context", "1M"),
    ),
    "interleave": Way(
        "Grade lost on HotpotQA (questions of two hops) when the model may retrieve only once",
        "share",
        True,
        f"msa-bench run --task hotpotqa {_MODEL} {_JUDGED}, and once more with --ablate interleave=off",
        switched_off("interleave=off", ("hotpotqa",)),
    ),
    "interleave-average": Way(
        "The same loss over the mean of four banks",
        "share",
        True,
        f"{_QA}{_FOUR} --ablate interleave=off",
        switched_off("interleave=off", TABLE4_TASKS),
    ),
    "pretraining": Way(
        "Mean grade lost without continual pre-training",
        "share",
        True,
        "none: it takes a training of the paper's size without that stage",
        never("it takes a second training of the paper's model, which this package does not run"),
    ),
    "original-text": Way(
        "Mean grade lost when documents are named but their text is not read again",
        "share",
        True,
        f"{_QA}{_FOUR} --ablate original_text=off",
        switched_off("original_text=off", TABLE4_TASKS),
    ),
    "curriculum": Way(
        "Mean grade gained by training on 64K after 8K tokens",
        "share",
        True,
        "none: it takes the paper's model before and after that stage",
        never("it takes the paper's model as it was before the stage, which is not published"),
    ),
    "linear": Way(
        "Growth of the cost of encoding and routing with memory length: the exponent, 1 if linear",
        "exponent",
        False,
        "msa-bench run --task niah --length 16K, and once more with --length 64K, --length 256K",
        encoding_exponent,
    ),
    "storage": Way(
        "Memory taken by keys, values and routing keys of 100M tokens",
        "GB",
        False,
        f"msa-bench run --task niah --length 100M {_MODEL}",
        stored_bytes,
    ),
    "routing-keys": Way(
        "Memory taken by the routing keys of 100M tokens",
        "GB",
        False,
        "msa-bench perf storage --shape qwen3-4b --length 100M --json > DIR/perf-storage.json",
        routing_key_bytes,
    ),
    "two-gpus": Way(
        "GPUs of 80 GB that serve 100M tokens",
        "GPUs",
        False,
        f"torchrun --nproc-per-node 2 --no-python msa-bench run --task niah --length 100M {_MODEL}",
        gpus_used,
    ),
}
