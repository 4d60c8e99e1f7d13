"""`run.json`: what was run, on what data, with what model, where and when; and whether a directory is that run's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from msa_bench.contracts import Dataset, IndexReport, Task
from msa_bench.errors import UserError
from msa_bench.evaluation import statistics
from msa_bench.evaluation.config import RunConfig
from msa_bench.evaluation.files import RECORD
from msa_bench.evaluation.normalisers import Normaliser
from msa_bench.evaluation.provenance import environment, now, peak_memory
from msa_bench.evaluation.samples import as_json
from msa_bench.evaluation.store import RunDirectory

# Of each sitting at a run that was continued; the keys at the top are those of the latest.
_SITTING = ("status", "started", "finished", "versions", "hardware", "git", "peak_memory")


class RunRecord:
    """The record of one run directory, checked against what an earlier sitting wrote there."""

    def __init__(
        self,
        directory: RunDirectory,
        config: RunConfig,
        task: Task,
        subtasks: Sequence[str | None],
        normaliser: Normaliser,
    ) -> None:
        self._directory = directory
        self._begun = False
        earlier = directory.record()
        if earlier is not None:
            refuse_other_settings(directory.path, earlier, config)
            self.content = earlier
            return
        self.content = {
            "task": config.task,
            "main_score": task.main_score,
            "normaliser": {"name": normaliser.name, "what": normaliser.description},
            "subtasks": list(subtasks),
            "config": config.identity(),
            "config_sha256": config.sha256(),
            "seeds": {"run": config.seed, "intervals": statistics.SEED},
            "systems": {},
            "datasets": [],
            "indexes": [],
            "earlier_sittings": [],
        }

    def add_systems(self, described: Mapping[str, Mapping[str, Any]]) -> None:
        """Record what the systems say they are; refuse if an earlier sitting's answers came from others."""
        known = self.content["systems"]
        for name, description in as_json(described).items():
            for key in sorted({*known.get(name, {}), *description}) if name in known else ():
                old, new = known[name].get(key), description.get(key)
                if old != new:
                    raise self._refusal(f"{key} of the system {name}", old, new)
            known[name] = description

    def add_dataset(self, subtask: str | None, dataset: Dataset, questions_sha256: str) -> None:
        """Record a subtask's data; refuse if earlier answers were about other data."""
        entry = {
            "subtask": subtask,
            "documents": len(dataset.corpus),
            "documents_fingerprint": dataset.corpus.fingerprint,
            "questions": len(dataset.questions),
            "questions_sha256": questions_sha256,
            "notes": list(dataset.notes),
        }
        for known in self.content["datasets"]:
            if known["subtask"] == subtask:
                for key in ("documents_fingerprint", "questions_sha256"):
                    if known[key] != entry[key]:
                        raise self._refusal(f"{key} of {subtask or 'the data'}", known[key], entry[key])
                return
        self.content["datasets"].append(entry)

    def add_index(self, subtask: str | None, system: str, report: IndexReport) -> None:
        """Record what indexing cost; a report replaces the one of an earlier sitting."""
        entry = {"system": system, "subtask": subtask, **as_json(asdict(report))}
        self.content["indexes"] = [
            one for one in self.content["indexes"] if (one["system"], one["subtask"]) != (system, subtask)
        ] + [entry]
        self._save()

    def begin(self) -> None:
        """Start a sitting when the first work is done in it; looking at a finished run leaves its record alone."""
        if self._begun:
            return
        self._begun = True
        if "started" in self.content:
            self.content["earlier_sittings"].append({key: self.content.get(key) for key in _SITTING})
        self.content |= {"status": "running", "started": now(), "finished": None, **environment()}
        self._save()

    def end(self, status: str) -> None:
        """Close the sitting with `status`: finished, interrupted or failed.

        A sitting without work changes nothing, unless it finds a run complete that was killed before it could say so.
        """
        if self._begun or (status == "finished" != self.content.get("status")):
            self.content |= {"status": status, "finished": now()}
            self._save()

    def _save(self) -> None:
        self.content["peak_memory"] = peak_memory()
        self._directory.write(RECORD, self.content)

    def _refusal(self, what: str, old: object, new: object) -> UserError:
        return UserError(
            f"{self._directory.path} holds a run whose {what} is {_short(old)}, not {_short(new)}; "
            "choose another --out."
        )


def refuse_other_settings(directory: Path, earlier: Mapping[str, Any], config: RunConfig) -> None:
    """A `UserError` naming the first setting in which the run recorded as `earlier` in `directory` is not `config`."""
    old, new = earlier.get("config", {}), config.identity()
    for key in {**old, **new}:
        if old.get(key) != new.get(key):
            raise UserError(
                f"{directory} holds a run with {key} = {_short(old.get(key))}, not {_short(new.get(key))}; "
                "choose another --out, or set the old value to continue it."
            )


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
