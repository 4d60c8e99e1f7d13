"""Which reader a request asks for: the backbone, another local model (`--reader DIR`), or an endpoint."""

from __future__ import annotations

from baselines.reader import BackboneReader, Reader
from msa_bench.contracts import SystemRequest
from msa_bench.model.backbone import load_backbone, load_tokenizer, model_directory
from msa_bench.model.checkpoint import read_config


def load_reader(request: SystemRequest) -> Reader:
    """The reader of `request`; a `UserError` if there is none of that name."""
    wanted = request.reader
    if wanted and "@http" in wanted:
        from baselines.endpoint import EndpointReader, parse_endpoint

        window = read_config(model_directory(request.model)).window
        return EndpointReader(parse_endpoint(wanted), load_tokenizer(request.model), window, request.batch_size)
    return BackboneReader(load_backbone(wanted or request.model, request.device, request.dtype))
