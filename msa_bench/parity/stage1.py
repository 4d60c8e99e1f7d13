"""Stage 1 of a golden case: documents into pooled keys, values and routing keys.

The released code packs several documents and the template head into one sequence; ours reads each alone. Hidden states
are put back where the packed sequence has them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from msa_bench.model.passes import document_pass, template_pass
from msa_bench.model.prompts import template_head, wrap_documents
from msa_bench.parity.case import Case, Computed, recorded_layers


@torch.inference_mode()
def stage1(case: Case) -> Computed:
    """The tensors of `stage1.safetensors`."""
    computed = Computed(tensors=_bank(case))
    inputs = case.tensors("inputs.safetensors") or {}
    for block, documents in enumerate(case.meta.get("blocks", [])):
        tokens = wrap_documents(case.model.tokenizer, [(number, case.texts[number]) for number in documents])
        computed.tensors |= _block(case, f"block{block}", documents, tokens)
        packed = inputs.get(f"block{block}.input_ids")
        if packed is not None:
            ours = [*template_head(case.model.tokenizer), *(token for document in tokens for token in document)]
            same = computed.identical.get("document tokens", True)
            computed.identical["document tokens"] = same and packed[0].tolist() == ours
    return computed


def _bank(case: Case) -> dict[str, Tensor]:
    """Released banks number documents from 1 and keep a dummy document 0."""
    counts = case.bank.offsets.diff()
    zero = torch.zeros(1, dtype=torch.int64)
    tensors = {
        "bank.doc_ids": torch.cat((zero, torch.arange(len(counts)))),
        "bank.doc_lens": torch.cat((zero, counts)),
        "bank.doc_offsets": torch.cat((zero, case.bank.offsets[:-1])),
        "bank.pool_ids": torch.repeat_interleave(torch.arange(1, len(counts) + 1), counts),
    }
    for layer in case.msa.router_layers:
        pooled = case.bank.pooled(layer)
        for name, x in (("k", pooled.keys), ("v", pooled.values), ("router_k", pooled.routing_keys)):
            tensors[f"bank.layer{layer}.{name}"] = x.transpose(0, 1)[None]
    return tensors


def _block(case: Case, block: str, documents: list[int], tokens: list[list[int]]) -> dict[str, Tensor]:
    decoder = case.model.decoder
    with recorded_layers(decoder) as layers:
        head = template_pass(decoder, template_head(case.model.tokenizer))
        hidden = {index: [output] for index, output in layers.items()}
        lengths = torch.tensor([len(document) for document in tokens])
        width = int(lengths.max())
        padded = torch.tensor([document + [0] * (width - len(document)) for document in tokens])
        pooled = document_pass(decoder, padded, lengths, stop_early=False)
        for index, output in layers.items():
            hidden[index] += [output[row : row + 1, : len(document)] for row, document in enumerate(tokens)]
    offsets = case.bank.offsets
    counts = torch.tensor([int(offsets[number + 1] - offsets[number]) for number in documents])
    tensors = {f"{block}.pooled_doc_ids": torch.repeat_interleave(torch.arange(1, len(counts) + 1), counts)}
    for layer, parts in hidden.items():
        tensors[f"{block}.layer{layer}.hidden_out"] = torch.cat(parts, dim=1)
        tensors[f"{block}.layer{layer}.template_k"] = head[layer][0][None]
        tensors[f"{block}.layer{layer}.template_v"] = head[layer][1][None]
    for layer, kept in pooled.items():
        for name, x in (("pooled_k", kept.keys), ("pooled_v", kept.values), ("router_k", kept.routing_keys)):
            tensors[f"{block}.layer{layer}.{name}"] = x.transpose(0, 1)[None]
    return tensors
