"""A golden case: a tiny checkpoint, inputs, and what the released implementation computed from them.

Only the checkpoint, the texts and the inputs are used to produce our values; the recorded outputs are read afterwards,
to compare with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from msa_bench.contracts import Document, Question
from msa_bench.errors import UserError
from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.encode import encode_corpus
from msa_bench.model.backbone import Backbone
from msa_bench.model.checkpoint import load_decoder
from msa_bench.model.config import MSAConfig
from msa_bench.model.decoder import Decoder
from msa_bench.model.passes import template_pass
from msa_bench.model.prompts import template_head
from msa_bench.model.tokenizer import TextTokenizer


@dataclass(frozen=True)
class Case:
    """A golden case, opened in float32 on the CPU."""

    directory: Path
    meta: dict[str, Any]
    model: Backbone
    texts: Sequence[str]

    @classmethod
    def open(cls, directory: Path) -> Case:
        """The case in `directory`; a `UserError` if it is none."""
        path = directory / "meta.json"
        if not path.is_file() or not (directory / "checkpoint").is_dir():
            raise UserError(f"{directory} is no golden case: it needs a meta.json and a directory named checkpoint.")
        try:
            meta = json.loads(path.read_text(encoding="utf-8"))
            documents = sorted(meta["documents"], key=lambda entry: int(entry["doc_id"]))
            texts = [str(entry["text"]) for entry in documents]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} does not describe a golden case ({error!r}).") from error
        model = Backbone(
            directory.name,
            directory / "checkpoint",
            load_case_decoder(directory),
            TextTokenizer.from_directory(directory / "checkpoint"),
        )
        if model.config.msa is None or not model.config.msa.trained:
            raise UserError(f"The checkpoint of {directory} has no msa_config, so there is nothing to compare.")
        return cls(directory, meta, model, texts)

    @property
    def msa(self) -> MSAConfig:
        """Memory settings of the checkpoint."""
        assert self.model.config.msa is not None  # `open` has seen to it
        return self.model.config.msa

    @cached_property
    def bank(self) -> MemoryBank:
        """Every document of the case, encoded as any corpus is."""
        return encode_corpus(self.model, _Texts(self.texts))

    @cached_property
    def head(self) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of the template head, by layer."""
        with torch.inference_mode():
            return template_pass(self.model.decoder, template_head(self.model.tokenizer))

    @cached_property
    def released_config(self) -> dict[str, Any]:
        """The checkpoint's config.json as it stands, for what only the released code needs."""
        return dict(json.loads((self.model.directory / "config.json").read_text(encoding="utf-8")))

    @property
    def first_position(self) -> int:
        """Position of a prompt's first token."""
        return len(template_head(self.model.tokenizer)) + self.msa.top_k

    def text_of(self, number: int) -> str | None:
        """The text of a document, or None where there is no such document."""
        return self.texts[number] if 0 <= number < len(self.texts) else None

    def tensors(self, name: str) -> dict[str, Tensor] | None:
        """The safetensors file `name` of the case, or None where it has none."""
        path = self.directory / name
        if not path.is_file():
            return None
        try:
            return dict(load_file(path))
        except SafetensorError as error:
            raise UserError(f"{path} is truncated or no safetensors file ({error}).") from error


@dataclass
class Computed:
    """Our values of one golden file.

    `compared` limits the comparison of a tensor to where it is True (leading dimensions are enough); `skipped` names
    tensors that are not compared at all. `identical` holds verdicts beyond numbers. Why something is left out stands in
    `notes`.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    compared: dict[str, Tensor] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    identical: dict[str, bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def load_case_decoder(directory: Path) -> Decoder:
    """The decoder of a case's checkpoint, in float32 on the CPU; a new one at every call."""
    return load_decoder(directory / "checkpoint", torch.device("cpu"), torch.float32, memory=True)


@contextmanager
def recorded_layers(decoder: Decoder) -> Iterator[dict[int, Tensor]]:
    """What each decoder layer put out when it was last called, by layer, while the context is open."""
    outputs: dict[int, Tensor] = {}

    def keep(index: int) -> Any:
        def hook(module: Any, args: Any, output: Tensor) -> None:
            outputs[index] = output

        return hook

    handles = [layer.register_forward_hook(keep(layer.index)) for layer in decoder.layers]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def left_padded(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    """int64 `[rows, longest]`, shorter rows filled up on the left."""
    width = max(len(row) for row in rows)
    return torch.tensor([[fill] * (width - len(row)) + list(row) for row in rows])


@dataclass(frozen=True)
class _Texts:
    """The documents of a case as a corpus."""

    texts: Sequence[str]
    fingerprint: str = "golden"
    private_ids: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, document_id: int, /) -> Document:
        return Document(document_id, self.texts[document_id])

    def __iter__(self) -> Iterator[Document]:
        return (self[number] for number in range(len(self)))

    def reading_order(self, question: Question) -> Sequence[int]:
        return range(len(self))
