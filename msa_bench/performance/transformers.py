"""The model transformers makes of the same checkpoint, to measure ours against."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msa_bench.model.backbone import Backbone
from msa_bench.model.config import FAMILIES


def transformers_model(memory: Backbone, settings: Mapping[str, Any] | None, kind: str) -> Any:
    """The weights of `memory` in transformers' class `kind` (`AutoModel`, `AutoModelForCausalLM`), of the same type and
    on the same device; with `settings`, a `config.json`, random weights of that shape."""
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    raw = dict(settings or json.loads((memory.directory / "config.json").read_text(encoding="utf-8")))
    config = transformers.AutoConfig.for_model(FAMILIES[raw.pop("model_type")], **raw)
    family = getattr(transformers, kind)
    if settings:
        with memory.device:
            theirs = family.from_config(config, dtype=memory.dtype, attn_implementation="sdpa")
    else:
        theirs = family.from_pretrained(
            memory.directory, config=config, dtype=memory.dtype, attn_implementation="sdpa", local_files_only=True
        )
    return theirs.to(memory.device).eval()
