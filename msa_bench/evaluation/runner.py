"""Runs systems on a task: loads, indexes, asks, scores, and stores every answer the moment it is there.

Knows tasks and systems by their contracts alone. The same call on the same directory continues what is unfinished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from msa_bench.contracts import (
    Answer,
    ComparingTask,
    Dataset,
    Progress,
    Question,
    ScoringTask,
    System,
    SystemRequest,
    Task,
    TaskRequest,
    no_progress,
)
from msa_bench.errors import UserError, unknown
from msa_bench.evaluation import metrics
from msa_bench.evaluation.config import RunConfig
from msa_bench.evaluation.files import JUDGEMENTS, SUMMARY
from msa_bench.evaluation.judge.grades import with_grades
from msa_bench.evaluation.judge.run import chosen_judge, judge_run
from msa_bench.evaluation.normalisers import SQUAD, Normaliser, normaliser
from msa_bench.evaluation.record import RunRecord
from msa_bench.evaluation.samples import sample_id, sample_key, sample_line
from msa_bench.evaluation.store import RunDirectory, full_disk_explained
from msa_bench.evaluation.summary import summarise

Factory = Callable[[SystemRequest], System]
Pair = tuple[str, str | None]


@dataclass(frozen=True)
class Part:
    """One subtask's dataset in front of one system."""

    subtask: str | None
    dataset: Dataset
    system_name: str
    system: System


def run(
    config: RunConfig,
    task: Task,
    factories: Mapping[str, Factory],
    count_tokens: Callable[[str], int],
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Run `config` in its directory, continuing what is there, and return the summary that `summary.json` holds.

    `factories` are what the registry has for the names in `config.system`. Raises a `UserError` for a directory that
    belongs to another run, for names the task or the systems do not know, and for a full disk.
    """
    subtasks, compared = chosen_subtasks(task, config.subtask), _normaliser(task)
    requests, judge = system_requests(config, factories), chosen_judge(config)
    with full_disk_explained(config.directory()), RunDirectory(config.directory()) as directory:
        record = RunRecord(directory, config, task, subtasks, compared)
        record.content["ablations"] = {name: dict(request.ablations) for name, request in requests.items()}
        progress("loading the systems", 0, None, "")
        systems = {name: factory(requests[name]) for name, factory in factories.items()}
        record.add_systems({name: system.describe() for name, system in systems.items()})
        try:
            for part in _parts(config, task, subtasks, systems, count_tokens, record, progress):
                _run_part(part, config, task, directory, record, progress)
            summary = _summarise(config, task, directory)
            if judge is not None:
                # The answers are summarised before they are judged, so that a dead judge takes nothing with it.
                record.begin()
                entries, record.content["judge"] = judge_run(judge, directory.samples, progress)
                directory.write_lines(JUDGEMENTS, entries)
                summary = _summarise(config, task, directory)
        except BaseException as error:
            # The cause matters more than the record of it, and on a full disk that cannot be written either.
            with suppress(OSError):
                record.end("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
            raise
        record.end("finished")
    return summary


def _summarise(config: RunConfig, task: Task, directory: RunDirectory) -> dict[str, Any]:
    lines = with_grades(directory.samples, directory.lines(JUDGEMENTS))
    summary = summarise(lines, task=config.task, length=config.length, seed=config.seed, main_score=task.main_score)
    directory.write(SUMMARY, summary)
    return summary


def _normaliser(task: Task) -> Normaliser:
    return normaliser(task.normaliser) if isinstance(task, ComparingTask) else SQUAD


def chosen_subtasks(task: Task, wanted: Sequence[str]) -> tuple[str | None, ...]:
    """The subtasks to run: those wanted, or all; `(None,)` for a task without parts."""
    for name in wanted:
        if not task.subtasks:
            raise UserError(f"The task {task.name} has no subtasks, so --subtask {name} means nothing; leave it out.")
        if name not in task.subtasks:
            raise unknown(f"subtask of {task.name}", name, task.subtasks)
    return tuple(wanted or task.subtasks) or (None,)


def system_requests(config: RunConfig, factories: Mapping[str, Factory]) -> dict[str, SystemRequest]:
    """What each system is made from: the settings, and of the ablations those it knows."""
    known = {name: set(getattr(factory, "ablations", ())) for name, factory in factories.items()}
    for key in config.ablate:
        if not any(key in keys for keys in known.values()):
            raise unknown(f"ablation of {', '.join(known)}", key, set().union(*known.values()))
    return {
        name: SystemRequest(
            model=config.model,
            device=config.device,
            dtype=config.dtype,
            seed=config.seed,
            max_answer_tokens=config.max_answer_tokens,
            batch_size=config.batch_size,
            workers=config.workers,
            bank=config.bank,
            budget=config.budget,
            reader=config.reader,
            ablations={key: value for key, value in config.ablate.items() if key in keys},
        )
        for name, keys in known.items()
    }


def _parts(
    config: RunConfig,
    task: Task,
    subtasks: Sequence[str | None],
    systems: Mapping[str, System],
    count_tokens: Callable[[str], int],
    record: RunRecord,
    progress: Progress,
) -> Iterator[Part]:
    for subtask in subtasks:
        progress(f"{subtask or task.name} · loading", 0, None, "")
        dataset = task.load(
            TaskRequest(
                length=config.length,
                samples=config.samples,
                seed=config.seed,
                count_tokens=count_tokens,
                subtask=subtask,
                data=config.data,
                haystack=config.haystack,
                doc_tokens=config.doc_tokens,
                pad=config.pad,
            )
        )
        record.add_dataset(subtask, dataset, questions_sha256(task, subtask, dataset.questions))
        for name, system in systems.items():
            yield Part(subtask, dataset, name, system)


def questions_sha256(task: Task, subtask: str | None, questions: Sequence[Question]) -> str:
    """A hash of everything asked and expected; a `UserError` if there is no question or two share an id."""
    if not questions:
        raise UserError(f"The task {task.name} gives no questions for these settings; nothing can be measured.")
    if len({sample_id(question, subtask) for question in questions}) < len(questions):
        raise UserError(f"The task {task.name} gives two questions the same id; each needs one of its own.")
    content = [
        [one.id, one.text, one.answers, one.gold_ids, one.own_ids, one.replaced_ids, one.intro, one.answer_prefix]
        # In JSON a key is text; what few tasks have is left out where they have it not, so that older hashes hold.
        + [dict(part) for part in (one.substitutes, one.relevance) if part]
        for one in questions
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _run_part(
    part: Part, config: RunConfig, task: Task, directory: RunDirectory, record: RunRecord, progress: Progress
) -> None:
    """Ask one system what it has not answered yet; it need not index where nothing is left to ask."""
    done = {sample_key(line) for line in directory.samples}
    pending = {
        (question.id, variant)
        for question in part.dataset.questions
        for variant in part.system.variants
        if (part.system_name, variant, sample_id(question, part.subtask), 0) not in done
    }
    if not pending:
        return
    show = _labelled(progress, f"{part.subtask or task.name} · {part.system_name}")
    record.begin()
    record.add_index(part.subtask, part.system_name, part.system.index(part.dataset.corpus, show))
    for question, answer in _answers(part, pending, show):
        scores = metrics.score(question, answer, _normaliser(task))
        if isinstance(task, ScoringTask):
            scores |= task.score(question, answer)
        line = sample_line(
            question,
            answer,
            scores,
            system=part.system_name,
            task=config.task,
            subtask=part.subtask,
            length=config.length,
            seed=config.seed,
        )
        directory.append(line)


def _answers(part: Part, pending: set[Pair], show: Progress) -> Iterator[tuple[Question, Answer]]:
    """The pending answers as they come; a `UserError` names a system that answers what was not asked, or not all."""
    asked = [one for one in part.dataset.questions if any((one.id, v) in pending for v in part.system.variants)]
    questions = {question.id: question for question in asked}
    expected = {(question.id, variant) for question in asked for variant in part.system.variants}
    open_pairs, total = set(pending), len(pending)
    show("answering", 0, total, "answers")
    for answer in part.system.answer(asked, show):
        pair = answer.question_id, answer.variant
        if pair not in expected:
            raise UserError(
                f"The system {part.system_name} gave a second answer to, or was never asked, {_named(pair)}; it must "
                "answer every question once in each of its variants."
            )
        expected.discard(pair)
        if pair in open_pairs:
            yield questions[answer.question_id], answer
            open_pairs.discard(pair)
            show("answering", total - len(open_pairs), total, "answers")
    if open_pairs:
        missing = min(open_pairs, key=str)
        raise UserError(
            f"The system {part.system_name} gave no answer to {_named(missing)} ({len(open_pairs)} missing in all); it "
            "must answer every question once in each of its variants."
        )


def _named(pair: Pair) -> str:
    question, variant = pair
    return f"question {question!r}" + (f" in variant {variant}" if variant else "")


def _labelled(progress: Progress, label: str) -> Progress:
    def show(step: str, done: int, total: int | None, unit: str) -> None:
        progress(f"{label} · {step}", done, total, unit)

    return show
