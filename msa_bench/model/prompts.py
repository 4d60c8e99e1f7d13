"""The texts around documents, questions and answers that a memory model was trained with, as tokens with their roles.

The strings are the released protocol. Roles follow it too: a token of role `ROUTES` takes part in routing, `SILENT`
does not, `TEMPLATE` belongs to the chat frame. Whatever comes from a user goes through `TextTokenizer.encode` and can
therefore never become a control token.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msa_bench.model.tokenizer import TextTokenizer

ROUTES, SILENT, TEMPLATE = 0, -1, -2

_QUESTION = (
    "\nPlease answer the question based on the above historical document information\n\n"
    "{question}\nPlease return all documents related to the question"
)
_ANSWER_TURN = "The user's question is: {question}\n"
ANSWER_START = "The answer to the question is: "
"""How a trained model begins its answer; not part of the answer itself."""

NOT_IN_MEMORY = "This is not in the memory."
"""What an adapter trained here answers when no document of its memory holds the answer."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Tokens and the role of each."""

    tokens: tuple[int, ...]
    roles: tuple[int, ...]

    def __add__(self, other: Prompt) -> Prompt:
        return Prompt(self.tokens + other.tokens, self.roles + other.roles)

    def silenced(self) -> Prompt:
        """The same tokens, none of which routes."""
        return Prompt(self.tokens, (SILENT,) * len(self.tokens))


def of_role(tokens: Iterable[int], role: int) -> Prompt:
    """A prompt whose tokens all have one role."""
    kept = tuple(tokens)
    return Prompt(kept, (role,) * len(kept))


def template_head(tokenizer: TextTokenizer) -> list[int]:
    """The start of the turn that every memory context begins with; read alone, as if it were a document."""
    return [tokenizer.control.turn_start, *tokenizer.encode("user\n")]


def wrap_documents(tokenizer: TextTokenizer, documents: Sequence[tuple[int, str]]) -> list[list[int]]:
    """Tokens of `(id, text)` documents as they are encoded into memory."""
    control = tokenizer.control
    inner = tokenizer.encode_many([f"[{number}]. {text}[{number}]" for number, text in documents])
    return [[control.turn_start, *tokens, control.turn_end] for tokens in inner]


def question_prompt(tokenizer: TextTokenizer, question: str, first_round: bool) -> Prompt:
    """The question's turn and the start of the model's. In the first round its final line break routes too, and the
    chat frame has its own role; in later rounds only the text up to "... related to the question" routes."""
    control = tokenizer.control
    text = of_role(tokenizer.encode(_QUESTION.format(question=question)), ROUTES)
    line_break = tokenizer.encode("\n")
    frame, start = [control.turn_end, *line_break], [control.turn_start]
    if first_round:
        return text + of_role(line_break, ROUTES) + of_role(frame, TEMPLATE) + of_role(start, SILENT)
    return text + of_role([*line_break, *frame, *start], SILENT)


def appended_documents(tokenizer: TextTokenizer, documents: Sequence[tuple[int, str]]) -> Prompt:
    """The original text of the documents a round named, which the next round's routing starts from."""
    text = "".join(f"[{number}]. {content}\n" for number, content in documents)
    return of_role(tokenizer.encode(text), ROUTES) + of_role([tokenizer.control.references_end], SILENT)


def answer_turn(tokenizer: TextTokenizer, question: str) -> list[int]:
    """What is put after the end of retrieval; the model goes on with the answer."""
    control = tokenizer.control
    return [
        control.turn_start,
        *tokenizer.encode(_ANSWER_TURN.format(question=question)),
        control.references_end,
    ]
