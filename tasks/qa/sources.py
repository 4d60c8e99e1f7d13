"""What a data set declares, and where its data are looked for.

In this order: the directory the user gives, in any of the three forms; what was fetched of the authors' benchmark set;
what was fetched of the original; then the same two from the hub.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from msa_bench.contracts import Progress, no_progress
from msa_bench.errors import UserError
from msa_bench.places import cache_root
from tasks.qa.authors import REPOSITORY, AuthorsSet, read_authors
from tasks.qa.data import QAData
from tasks.qa.fetch import fetch, recorded_revision
from tasks.qa.jsonl import CORPUS, QUESTIONS, read_jsonl
from tasks.qa.original import Original, read_original

SHORT_ANSWERS = (
    "The passages below may help to answer the question that follows them. "
    "Answer with a name, a number or a few words, without a sentence around it."
)


@dataclass(frozen=True)
class Declaration:
    """A data set: what it is, what it is scored by, and where to get it.

    `normaliser` names how answers are compared (`msa_bench.evaluation.normalisers`), `bank_tokens` is the size of the
    paper's bank. `authors` is the set in the MSA authors' benchmark, and `authors_scaled` the one that is used where a
    length is asked for. `prompt` stands before the passages where a system puts them into a prompt. A `graded` set has
    nDCG among its scores.
    """

    name: str
    description: str
    licence: str = ""
    citation: str = ""
    main_score: str = "f1"
    normaliser: str = "squad"
    prompt: str = SHORT_ANSWERS
    bank_tokens: int | None = None
    authors: AuthorsSet | None = None
    authors_scaled: AuthorsSet | None = None
    original: Original | None = None
    graded: bool = False

    def authors_for(self, scaled: bool) -> AuthorsSet | None:
        """The authors' set for a run at a length of its own, or for the whole bank."""
        return self.authors_scaled if scaled and self.authors_scaled else self.authors

    @property
    def source(self) -> str:
        """Where a user without data gets them from."""
        places = [REPOSITORY] if self.authors else []
        return " or ".join([*places, *([self.original.repository] if self.original else [])]) or "--data DIR"

    def available(self) -> str:
        """Which data are on this machine already, for a list."""
        chosen = [one for one in (self.authors, self.authors_scaled) if one]
        here = [one.bank for one in chosen if recorded_revision(_authors_home(one))]
        if self.original and recorded_revision(_original_home(self.original)):
            here.append("original")
        if here:
            return f"here ({', '.join(here)})"
        return "to be fetched" if chosen or self.original else "yours"


def load_data(declaration: Declaration, directory: Path | None, scaled: bool = False) -> QAData:
    """The data set in `directory`, failing that fetched; a `UserError` says what is wrong or how to provide it."""
    if directory is not None:
        return _read(declaration, directory, scaled)
    return _read(declaration, _at_hand(declaration, scaled) or fetch_data(declaration, scaled), scaled)


def fetch_data(
    declaration: Declaration, scaled: bool = False, original: bool = False, progress: Progress = no_progress
) -> Path:
    """Fetch the authors' set, or the `original`, which also is next where the authors' cannot be had; its directory."""
    chosen = declaration.authors_for(scaled)
    failures = []
    if chosen and not original:
        try:
            fetch(REPOSITORY, chosen.files, _authors_home(chosen), progress=progress)
            return _authors_home(chosen)
        except UserError as error:
            failures.append(str(error))
    if declaration.original:
        home = _original_home(declaration.original)
        try:
            source = declaration.original
            fetch(source.repository, [source.files], home, source.revision, progress=progress)
            return home
        except UserError as error:
            failures.append(str(error))
    if not failures:
        raise UserError(f"{declaration.name} is about your own data; give --data DIR with {QUESTIONS} and {CORPUS}.")
    copy = f"a copy of the authors' set ({' and '.join(chosen.files)})" if chosen else "a copy of the original"
    raise UserError(
        f"There are no data for {declaration.name} on this machine ({failures[-1].rstrip('.')}); give --data DIR with "
        f"{QUESTIONS} and {CORPUS}, or with {copy}, or run msa-bench data fetch {declaration.name} where the Hugging "
        "Face hub can be reached."
    )


def _read(declaration: Declaration, directory: Path, scaled: bool) -> QAData:
    if not directory.is_dir():
        raise UserError(f"The data directory {directory} does not exist; give one with {QUESTIONS} and {CORPUS}.")
    if (directory / QUESTIONS).exists() or (directory / CORPUS).exists():
        return read_jsonl(directory)
    commit = recorded_revision(directory)
    data = _read_fetched(declaration, directory, scaled)
    return replace(data, source=f"{data.source}, commit {commit}") if commit else data


def _read_fetched(declaration: Declaration, directory: Path, scaled: bool) -> QAData:
    """The authors' set or the original in `directory`, whoever put it there."""
    for chosen in (declaration.authors_for(scaled), declaration.authors):
        if chosen and (home := _holding(directory, chosen)):
            return read_authors(home, chosen)
    if declaration.original and declaration.original.found(directory):
        return read_original(directory, declaration.original)
    forms = [f"{QUESTIONS} and {CORPUS}"]
    forms += [" and ".join(declaration.authors.files)] if declaration.authors else []
    forms += [f"files {declaration.original.files}"] if declaration.original else []
    raise UserError(f"{directory} holds no data for {declaration.name}; it needs {', or '.join(forms)}.")


def _holding(directory: Path, chosen: AuthorsSet) -> Path | None:
    """The folder with the authors' files: `directory` or one in it."""
    folders = [directory, *sorted(path.parent for path in directory.rglob(chosen.files[0]))]
    return next((folder for folder in folders if chosen.found(folder)), None)


def _at_hand(declaration: Declaration, scaled: bool) -> Path | None:
    chosen = declaration.authors_for(scaled)
    homes = [_authors_home(chosen)] if chosen else []
    homes += [_original_home(declaration.original)] if declaration.original else []
    return next((home for home in homes if recorded_revision(home)), None)


def _authors_home(chosen: AuthorsSet) -> Path:
    return cache_root() / "data" / "authors" / chosen.bank


def _original_home(original: Original) -> Path:
    return cache_root() / "data" / original.repository.replace("/", "--")
