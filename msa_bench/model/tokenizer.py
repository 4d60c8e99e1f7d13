"""Text to tokens with a wall between content and control.

Documents, questions and other people's text are encoded by a tokenizer that knows no control token at all, so text that
spells `<|im_end|>` becomes ordinary letters. Control tokens are asked for by name and put in by our own code only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from msa_bench.errors import UserError

_SPELLINGS = {
    "turn_start": ("<|im_start|>", "<|start_header_id|>"),
    "turn_end": ("<|im_end|>", "<|eot_id|>"),
    "references_end": ("<|object_ref_end|>", "<repo_name>", "<|reserved_special_token_0|>"),
    "end_of_retrieve": ("<filename>", "<|reserved_special_token_1|>"),
}
# Of SmolLM2's spare tokens these two have embeddings of their own; the others share one (cosines above 0.999), so that
# a model with tied embeddings could never write one rather than another.
"""Control role -> tokens that can play it, preferred first; vocabularies without the released one lend a spare."""

_CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
_MARK = "\u2063content\u2063"


@dataclass(frozen=True, slots=True)
class ControlTokens:
    """Ids of the tokens that steer memory generation. `end_of_retrieve` is several tokens where the vocabulary has no
    token for it (the released models write `<End-of-Retrieve>` as text)."""

    turn_start: int
    turn_end: int
    references_end: int
    end_of_retrieve: tuple[int, ...]


class TextTokenizer:
    """A tokenizer read from `tokenizer.json`, with the chat template and end tokens that belong to it."""

    def __init__(self, full: Tokenizer, content: Tokenizer, chat_template: str, stop_ids: frozenset[int]) -> None:
        self._full, self._content = full, content
        self._chat_template = chat_template
        self.stop_ids = stop_ids
        self._added = frozenset(full.get_added_tokens_decoder())

    @classmethod
    def from_directory(cls, directory: Path) -> TextTokenizer:
        """The tokenizer of a directory in Hugging Face's layout; a `UserError` if `tokenizer.json` cannot be read."""
        path = directory / "tokenizer.json"
        try:
            raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            full = Tokenizer.from_str(json.dumps(raw))
            content = Tokenizer.from_str(json.dumps(raw | {"added_tokens": [], "post_processor": None}))
        except Exception as error:  # the tokenizers library raises bare Exception
            raise UserError(f"{path} is not a readable tokenizer ({error}).") from error
        settings = _json(directory / "tokenizer_config.json")
        template_file = directory / "chat_template.jinja"
        template = settings.get("chat_template")
        if template_file.exists():
            template = template_file.read_text(encoding="utf-8")
        stops = _token_ids(_json(directory / "generation_config.json").get("eos_token_id"))
        stops |= _token_ids(_json(directory / "config.json").get("eos_token_id"))
        named = (full.token_to_id(name) for name in ("<|im_end|>", "<|endoftext|>", "<|eot_id|>"))
        stops |= {token for token in named if token is not None}
        return cls(full, content, template if isinstance(template, str) else _CHATML, frozenset(stops))

    @property
    def control(self) -> ControlTokens:
        """The control tokens of memory generation; a `UserError` if the vocabulary has none to spare for a role."""
        end_of_retrieve = self._first(*_SPELLINGS["end_of_retrieve"])
        return ControlTokens(
            turn_start=self._required("turn_start"),
            turn_end=self._required("turn_end"),
            references_end=self._required("references_end"),
            end_of_retrieve=(
                (end_of_retrieve,) if end_of_retrieve is not None else tuple(self.encode("<End-of-Retrieve>"))
            ),
        )

    def encode(self, text: str) -> list[int]:
        """Tokens of content; never a control token, whatever the text spells."""
        return list(self._content.encode(text, add_special_tokens=False).ids)

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each text, on all cores."""
        return [list(one.ids) for one in self._content.encode_batch_fast(list(texts), add_special_tokens=False)]

    def count(self, text: str) -> int:
        """Tokens of `text` as content."""
        return len(self._content.encode(text, add_special_tokens=False))

    def decode(self, ids: Sequence[int], control: bool = False) -> str:
        """Text of `ids`, without control tokens unless `control`."""
        kept = list(ids) if control else [token for token in ids if token not in self._added]
        return str(self._full.decode(kept, skip_special_tokens=False))

    def chat(self, user: Sequence[int], answer_prefix: Sequence[int] = ()) -> list[int]:
        """One user turn of content tokens in the backbone's chat template, up to where the assistant goes on after
        `answer_prefix`."""
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        rendered = environment.from_string(self._chat_template).render(
            messages=[{"role": "user", "content": _MARK}], add_generation_prompt=True, enable_thinking=False
        )
        before, mark, after = rendered.partition(_MARK)
        if not mark:
            raise UserError("The chat template of this tokenizer drops the user's message.")
        return [*self.encode_template(before), *user, *self.encode_template(after), *answer_prefix]

    def encode_template(self, text: str) -> list[int]:
        """Tokens of a text of our own, in which control tokens are spelled out; never for other people's text."""
        return list(self._full.encode(text, add_special_tokens=False).ids)

    def _first(self, *spellings: str) -> int | None:
        found = (self._full.token_to_id(spelling) for spelling in spellings)
        return next((token for token in found if token is not None), None)

    def _required(self, role: str) -> int:
        token = self._first(*_SPELLINGS[role])
        if token is None:
            raise UserError(f"The tokenizer has no token for {role}; one of {', '.join(_SPELLINGS[role])} is needed.")
        return token


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def _token_ids(value: object) -> set[int]:
    if isinstance(value, list):
        return {token for token in value if isinstance(token, int)}
    return {value} if isinstance(value, int) else set()
