"""What tasks, systems and the runner agree on; everything else in the package may change behind it.

A task makes a `Dataset`: a lazy `Corpus` and the `Question`s over it. A system indexes the corpus once and turns
questions into `Answer`s. The runner knows neither beyond what stands here, so other packages can bring their own
(entry-point groups `msa_bench.tasks` and `msa_bench.systems`).

One haystack serves many questions. The corpus is the union of a base shared by all questions and documents that belong
to one question each; a question sees the base without the documents it replaces, and its own. `hidden_ids` says what a
system must mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Document:
    """One passage of the memory. `id` is its place in the corpus and the number the model names it by."""

    id: int
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question with what it takes to score it.

    `answers` are the expected strings; whether all of them or any one of them is wanted is the task's main score.
    For a gold document `substitutes` names others that serve as well. `relevance` grades documents, larger is better;
    it is empty where nobody graded and what it leaves out is not relevant.
    `own_ids[i]` takes the place of `replaced_ids[i]` for this question and is invisible to every other one.
    `intro` and `answer_prefix` are what a prompt that holds the whole text may say before it, and the words an answer
    may be started with; systems that cannot use them say so in their notes.
    """

    id: str
    text: str
    answers: tuple[str, ...]
    gold_ids: tuple[int, ...] = ()
    own_ids: tuple[int, ...] = ()
    replaced_ids: tuple[int, ...] = ()
    subtask: str | None = None
    depth: float | None = None
    intro: str = ""
    answer_prefix: str = ""
    substitutes: Mapping[int, Sequence[int]] = field(default_factory=dict)
    relevance: Mapping[int, int] = field(default_factory=dict)


class Corpus(Protocol):
    """The documents of all questions of a dataset, made when asked for: 100M tokens are never held as text.

    Ids run from 0 to `len(corpus) - 1`; iteration goes through them in that order.
    """

    @property
    def fingerprint(self) -> str:
        """A hash of everything the content depends on; equal fingerprints mean equal documents."""
        ...

    @property
    def private_ids(self) -> Sequence[int]:
        """Ids of the documents that belong to a single question, ascending."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, document_id: int, /) -> Document: ...

    def __iter__(self) -> Iterator[Document]: ...

    def reading_order(self, question: Question) -> Sequence[int]:
        """Ids of the documents `question` may see, in the order a reader of the whole text meets them (lazy)."""
        ...


def hidden_ids(corpus: Corpus, question: Question) -> frozenset[int]:
    """Ids of the documents of `corpus` that `question` must not see."""
    return frozenset(corpus.private_ids).difference(question.own_ids).union(question.replaced_ids)


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a task hands to the runner for one subtask, length and seed; `notes` go into the run record."""

    corpus: Corpus
    questions: Sequence[Question]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """What a user asks of a task. Lengths are in tokens of the model under test, counted by `count_tokens`.

    `pad` names what a memory is filled up with where the task's own documents do not reach the length.
    """

    length: int | None
    samples: int
    seed: int
    count_tokens: Callable[[str], int]
    subtask: str | None = None
    data: Path | None = None
    haystack: Path | None = None
    doc_tokens: int = 128
    pad: str | None = None


class Progress(Protocol):
    """Receives how far a long step is; called often, so showing it is the receiver's business to throttle."""

    def __call__(self, step: str, done: int, total: int | None, unit: str) -> None: ...


def no_progress(step: str, done: int, total: int | None, unit: str) -> None:
    """A `Progress` that shows nothing."""


class Task(Protocol):
    """A benchmark task. `subtasks` is empty for a task without parts; `main_score` names the score tables show."""

    name: str
    description: str
    subtasks: Sequence[str]
    main_score: str

    def load(self, request: TaskRequest) -> Dataset:
        """The corpus and questions for `request`; the same request gives the same dataset on every machine."""
        ...


@runtime_checkable
class ScoringTask(Protocol):
    """A task with scores of its own, added to the ones every task gets (exact match, F1, containment, retrieval)."""

    def score(self, question: Question, answer: Answer) -> Mapping[str, float]: ...


@runtime_checkable
class DataTask(Protocol):
    """A task with data of its own. `bank_tokens` is the size of the bank of the paper, `source` where data come from.

    `available` says in a few words what is on this machine or how to get it. `fetch` brings the data here and returns
    their directory: the `scaled` bank where there is one, the `original` data set rather than the benchmark made of it.
    `check` counts what is in a user's directory. Both raise a `UserError` for what cannot be had or read.
    """

    bank_tokens: int | None
    source: str

    def available(self) -> str: ...

    def fetch(self, scaled: bool = False, original: bool = False, progress: Progress = no_progress) -> Path: ...

    def check(self, directory: Path) -> Mapping[str, int | str]: ...


@runtime_checkable
class ComparingTask(Protocol):
    """A task that names how its answers are compared; the others are compared as in SQuAD (`squad`)."""

    normaliser: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of one system (or of one variant of it, such as RAG reading `k=5` passages).

    `documents` are the ids the answer rests on, in the order they were used; `ranking` is the retrieval order, best
    first, where there is one. `bounds` names every limit that was hit. `seconds` is the time this answer took by itself
    or its share of the batch it was decoded in.
    """

    question_id: str
    text: str
    variant: str | None = None
    documents: tuple[int, ...] = ()
    ranking: tuple[int, ...] = ()
    rounds: int = 0
    bounds: tuple[str, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    trace: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What indexing a corpus cost: exact `tokens` read (0 where a system reads none), wall `seconds`, index `bytes`.

    `reused` says that an index made earlier was opened, or gone on with, so that `seconds` are not those of making it.
    """

    documents: int
    tokens: int
    seconds: float
    bytes: int
    notes: tuple[str, ...] = ()
    reused: bool = False


@dataclass(frozen=True, slots=True)
class SystemRequest:
    """What a user asks of a system: the model by name, directory or hub id, where it runs, and what to switch off.

    `workers` are the processes that may make text beside this one, None for as many as help. What a system
    encodes it may keep in the directory `bank` and take up from there; `budget` bounds the memory that takes
    (`gpu=40GB,host=64GB`). `reader` is another model that answers in front of a retriever: a directory, a hub id,
    or MODEL@URL for an OpenAI-compatible endpoint. `passages` is how many are read for a single answer, None for
    an answer in every variant of the system. Systems without such a part ignore it.
    """

    model: str
    device: str = "auto"
    dtype: str = "auto"
    seed: int = 42
    max_answer_tokens: int = 128
    batch_size: int = 8
    workers: int | None = None
    bank: Path | None = None
    budget: str | None = None
    reader: str | None = None
    ablations: Mapping[str, str] = field(default_factory=dict)
    passages: int | None = None


class System(Protocol):
    """A memory system under test; made by calling the registered class or function with a `SystemRequest`."""

    name: str

    @property
    def variants(self) -> Sequence[str | None]:
        """The variants every question is answered in; `(None,)` for a system with a single way."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Provenance for the run record: model and weights hashes, settings, notes such as "untrained routing"."""
        ...

    def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport:
        """Read `corpus` once; replaces what was indexed before."""
        ...

    def answer(self, questions: Sequence[Question], progress: Progress = no_progress) -> Iterator[Answer]:
        """One answer per question and variant over the indexed corpus, each yielded as soon as it is complete."""
        ...
