"""The judge over the answers of a run: what it is asked, what its grades come to, and what of it is recorded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any
from urllib.parse import urlsplit

from msa_bench.contracts import Progress, no_progress
from msa_bench.endpoint import Endpoint
from msa_bench.errors import UserError
from msa_bench.evaluation.config import RunConfig
from msa_bench.evaluation.judge.client import is_loopback
from msa_bench.evaluation.judge.grades import MOST_MISSING, known_grades, mean_grade
from msa_bench.evaluation.judge.grading import Graded, grade
from msa_bench.evaluation.judge.prompt import HIGHEST, filled, read_prompt
from msa_bench.evaluation.samples import sample_key
from msa_bench.places import cache_root

KEYS = ("MSA_BENCH_JUDGE_KEY", "OPENAI_API_KEY")

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Judge:
    """The judge of a run: where it is, what it is asked, and how often about each answer."""

    endpoint: Endpoint
    wording: str
    repeats: int
    concurrency: int
    price: tuple[float, float] | None


def chosen_judge(config: RunConfig) -> Judge | None:
    """The judge that `config` asks for, if any; a `UserError` for half of its settings or a missing key."""
    if config.judge_model is None and config.judge_url is None:
        return None
    if config.judge_model is None or config.judge_url is None:
        raise UserError("A judge takes both --judge-model and --judge-url; give the other one too, or neither.")
    parts = urlsplit(config.judge_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"--judge-url {config.judge_url} is no address; write it as https://host/v1.")
    key = next((os.environ[name] for name in KEYS if os.environ.get(name)), None)
    if key is None and not is_loopback(config.judge_url):
        raise UserError(f"The judge at {parts.hostname} needs a key; put it into the environment as {KEYS[0]}.")
    return Judge(
        Endpoint(config.judge_url, config.judge_model, key, config.seed),
        read_prompt(config.judge_prompt),
        config.judge_repeats,
        config.judge_concurrency,
        config.judge_price,
    )


def judge_run(
    judge: Judge, lines: Sequence[Line], progress: Progress = no_progress
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """One entry per answer that has an expected one, and the record of the judging."""
    judged = [line for line in lines if line["gold"]]
    prompts = [
        (filled(judge.wording, line["question"], line["gold"], line["answer"]), repeat)
        for line in judged
        for repeat in range(judge.repeats)
    ]
    graded = grade(judge.endpoint, prompts, cache_root() / "judge", judge.concurrency, progress)
    entries = []
    for place, line in enumerate(judged):
        system, variant, sample, repeat = sample_key(line)
        grades = graded.grades[place * judge.repeats : (place + 1) * judge.repeats]
        entries.append({"system": system, "variant": variant, "sample_id": sample, "repeat": repeat, "grades": grades})
    return entries, _record(judge, entries, graded)


def _record(judge: Judge, entries: Sequence[Line], graded: Graded) -> dict[str, Any]:
    means = [mean_grade(entry["grades"]) for entry in entries]
    spread = [stdev(known) for entry in entries if len(known := known_grades(entry["grades"])) > 1]
    spent = graded.spending
    cost = None
    if judge.price:
        cost = (spent.tokens_in * judge.price[0] + spent.tokens_out * judge.price[1]) / 1e6
    missing = sum(mean is None for mean in means)
    note = f"judge: {missing} of {len(means)} answers have no grade"
    if means and missing / len(means) > MOST_MISSING:
        note += f", more than {MOST_MISSING:.0%}, so there is no judge score"
    return {
        "model": judge.endpoint.model,
        "url": judge.endpoint.shown_url,
        "prompt_sha256": hashlib.sha256(judge.wording.encode()).hexdigest(),
        "scale": [0, HIGHEST],
        "temperature": 0,
        "seed": judge.endpoint.seed,
        "repeats": judge.repeats,
        "answers": len(entries),
        "missing": missing,
        "missing_reasons": sorted(set(graded.reasons))[:10],
        "spread": fmean(spread) if spread else None,
        "cached": graded.cached,
        "requests": spent.requests,
        "tokens": {"in": spent.tokens_in, "out": spent.tokens_out},
        "cost": cost,
        "notes": [note] if missing else [],
    }
