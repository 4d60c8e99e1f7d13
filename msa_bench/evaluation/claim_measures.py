"""How each claim of the paper is measured from what runs have left: the value, and how its conditions differ.

A measure gives a sentence instead of a measurement where the runs at hand do not measure its claim.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msa_bench.evaluation.combined import Estimate, difference_of, gain_of, loss_of, mean_of, ratio_of
from msa_bench.evaluation.measured import Index, Measured, Point
from msa_bench.evaluation.paired import answers_kept, ratio_of_points
from msa_bench.lengths import parse_length

NEEDLES = "string_match_all"
JUDGE = "judge"
NEEDLE_SUBTASKS = 8
TABLE4_TASKS = ("ms_marco", "natural_questions", "dureader", "hotpotqa")
TABLE2_TASKS = (*TABLE4_TASKS, "triviaqa", "narrativeqa", "popqa", "2wiki", "musique")
# Switches that only bound what an answer may take.
_BOUNDS = {"rounds", "documents"}


@dataclass(frozen=True)
class Measurement:
    """A claim's value as measured; `differs` names every condition that is not the paper's.

    `interval` says, of two systems that are compared, whether their answers were paired.
    """

    value: Estimate
    model: str
    length: str
    samples: int
    sources: Sequence[str]
    differs: Sequence[str]
    interval: str = ""


Measure = Callable[[Measured], Measurement | str]


@dataclass(frozen=True)
class Way:
    """What a claim says in plain words, in which unit, whether it is a gain or loss, and how it is measured."""

    says: str
    unit: str
    effect: bool
    command: str
    measure: Measure


def needles_at(system: str, length: str) -> Measure:
    """Mean accuracy over RULER's needle subtasks, and over the seeds that were asked alike."""

    def measure(measured: Measured) -> Measurement | str:
        points = _needles(measured, system)
        found = [point for point in points if point.length == parse_length(length)]
        if not found:
            return f"no run of {system} on niah at {length} is here{_nearest(points, length)}"
        runs = _of_all_seeds(found)
        asked = sum(point.samples for point in runs)
        return _of(runs, mean_of([point.value for point in runs]), runs[0].length_name, [], asked)

    return measure


def needle_drop(short: str, long: str) -> Measure:
    """Accuracy at the short length minus accuracy at the long one, over the seeds that both were asked with."""

    def measure(measured: Measured) -> Measurement | str:
        points = _needles(measured, "msa")
        ends = [point for point in points if point.length == parse_length(long)]
        if not ends:
            return f"no run of msa on niah at {long} is here{_nearest(points, long)}"
        end = _best(ends)
        same = end.model, end.weights, end.subtasks
        starts = [point for point in points if (point.model, point.weights, point.subtasks) == same]
        exact = [point for point in starts if point.length == parse_length(short)]
        if not exact:
            # Over a longer stretch more is lost, so a drop from another length decides nothing.
            return (
                f"no run of msa on niah at {short} with the model of the one at {long} is here{_nearest(starts, short)}"
            )
        by_seed = {point.seed: point for point in _of_all_seeds(exact)}
        pairs = [(by_seed[point.seed], point) for point in _of_all_seeds(ends) if point.seed in by_seed]
        before, after = zip(*pairs or [(_best(exact), end)], strict=True)
        lost = difference_of(mean_of([point.value for point in before]), mean_of([point.value for point in after]))
        asked = min(sum(point.samples for point in side) for side in (before, after))
        return _of([*before, *after], lost, f"{short} to {long}", [], asked)

    return measure


def judged_decay(short: str, long: str) -> Measure:
    """The share of the judge's score on MS MARCO that is lost from the shortest to the longest memory."""

    def measure(measured: Measured) -> Measurement | str:
        points = [one for one in _answers(measured, "ms_marco", "msa", {}) if one.score == JUDGE]
        points = [one for one in points if (one.length or 0) >= parse_length(short)]
        points.sort(key=lambda one: one.length or 0)
        if len({one.length for one in points}) < 2:
            return "there are no judged runs of msa on ms_marco at two lengths here"
        end = points[-1]
        start = next(one for one in points if one.model == end.model)
        if start.length == end.length:
            return "there are no judged runs of one model on ms_marco at two lengths here"
        other = []
        if (start.length, end.length) != (parse_length(short), parse_length(long)):
            other = [f"from {start.length_name} to {end.length_name} instead of {short} to {long}"]
        if not start.value.mean:
            return f"msa has a mean grade of 0 on ms_marco at {start.length_name} here, of which nothing can be lost"
        lost = loss_of(ratio_of(end.value, start.value))
        return _of([start, end], lost, f"{start.length_name} to {end.length_name}", other)

    return measure


def switched_off(switch: str, tasks: Sequence[str]) -> Measure:
    """The share of the mean score over `tasks` that is lost with a part of the method switched off."""
    key, _, setting = switch.partition("=")

    def measure(measured: Measured) -> Measurement | str:
        pairs = [
            pair
            for task in tasks
            if (pair := _pair(_answers(measured, task, "msa", {}), _answers(measured, task, "msa", {key: setting})))
        ]
        if not pairs:
            return f"no two runs of msa on {' or '.join(tasks)} with and without --ablate {switch} are here"
        with_it, without = ([pair[side] for pair in pairs] for side in (0, 1))
        ratio = ratio_of_points(without, with_it)
        if ratio is None:
            return f"msa has nothing right on {_names(with_it)} here, of which nothing can be lost"
        other = [*_tasks_missing(with_it, tasks), *ratio.differs]
        return _of([*with_it, *without], loss_of(ratio.value), _lengths(with_it), other, ratio.samples, ratio.interval)

    return measure


def above(baselines: Mapping[str, str], tasks: Sequence[str]) -> Measure:
    """By which share the mean over `tasks` of msa is above that of a baseline in its best variant.

    `baselines` are systems, the paper's first, with what differs if they stand in for it.
    """

    def measure(measured: Measured) -> Measurement | str:
        for system, differs in baselines.items():
            found = _against(measured, system, tasks)
            if found is not None:
                ours, theirs = found
                ratio = ratio_of_points(ours, theirs)
                if ratio is None:
                    return f"{system} has nothing right on {_names(ours)} here, and a share of nothing is none"
                other = [*_tasks_missing(ours, tasks), *([differs] if differs else []), *ratio.differs]
                return _of([*ours, *theirs], gain_of(ratio.value), _lengths(ours), other, ratio.samples, ratio.interval)
        return f"no run of msa and {' or '.join(baselines)} on a question-answering bank of the paper is here"

    return measure


def encoding_exponent(measured: Measured) -> Measurement | str:
    """The slope of log seconds over log tokens of encoding, on one machine with one model."""
    groups: dict[tuple[str, str], list[Index]] = {}
    for one in measured.indexes:
        if one.system == "msa" and one.tokens > 0 and one.seconds > 0 and not one.reused:
            groups.setdefault((one.machine, one.model), []).append(one)
    wide = [group for group in groups.values() if max(i.tokens for i in group) >= 4 * min(i.tokens for i in group)]
    if not wide:
        return "no runs of msa on one machine whose memories differ by four times or more in length are here"
    group = max(wide, key=lambda found: max(one.tokens for one in found))
    x, y = [math.log(one.tokens) for one in group], [math.log(one.seconds) for one in group]
    centre = sum(x) / len(x)
    slope = sum((a - centre) * b for a, b in zip(x, y, strict=True)) / sum((a - centre) ** 2 for a in x)
    ends = min(one.tokens for one in group), max(one.tokens for one in group)
    differs = ["encoding only, routing is not timed in these runs", *other_model(group)]
    sources = [one.source for one in group]
    return Measurement(Estimate(slope), group[0].model, f"{ends[0]:,} to {ends[1]:,}", len(group), sources, differs)


def never(reason: str) -> Measure:
    """A claim that no run of this package measures."""
    return lambda measured: reason


def _needles(measured: Measured, system: str) -> list[Point]:
    return [
        point
        for point in measured.points
        if (point.task, point.system, point.score) == ("niah", system, NEEDLES) and set(point.ablate) <= _BOUNDS
    ]


def _answers(measured: Measured, task: str, system: str, ablate: Mapping[str, str]) -> list[Point]:
    """Points of the judge's score and, for want of it, of F1, with no switch set but `ablate` and bounds."""
    points = [
        point
        for point in measured.points
        if (point.task, point.system) == (task, system)
        and {key: value for key, value in point.ablate.items() if key not in _BOUNDS} == ablate
    ]
    return [one for one in points if one.score == JUDGE] or [one for one in points if one.score == "f1"]


def _pair(first: Sequence[Point], second: Sequence[Point]) -> tuple[Point, Point] | None:
    """Two points that differ in the system or switch alone: those with the most samples, and of these kept answers."""
    fitting = [
        (one, other)
        for one in first
        for other in second
        if (one.model, one.length, one.score) == (other.model, other.length, other.score)
    ]
    return max(fitting, key=lambda pair: (min(one.samples for one in pair), all(map(answers_kept, pair))), default=None)


def _against(measured: Measured, system: str, tasks: Sequence[str]) -> tuple[list[Point], list[Point]] | None:
    variants = list(dict.fromkeys(point.variant for point in measured.points if point.system == system))
    found = []
    for variant in variants:
        pairs = []
        for task in tasks:
            theirs = [one for one in _answers(measured, task, system, {}) if one.variant == variant]
            if pair := _pair(_answers(measured, task, "msa", {}), theirs):
                pairs.append(pair)
        if pairs:
            found.append(([pair[0] for pair in pairs], [pair[1] for pair in pairs]))
    most = max((len(ours) for ours, _ in found), default=0)
    whole = [one for one in found if len(one[0]) == most]
    return max(whole, key=lambda one: mean_of([point.value for point in one[1]]).mean, default=None)


def _of(
    points: Sequence[Point],
    value: Estimate,
    length: str,
    other: Sequence[str],
    samples: int | None = None,
    interval: str = "",
) -> Measurement:
    differs = [*other, *other_model(points)]
    if any(point.score == "f1" for point in points):
        differs.append("by F1, since there is no judge's score")
    if any(point.task == "niah" and point.subtasks < NEEDLE_SUBTASKS for point in points):
        differs.append(f"{min(point.subtasks for point in points)} of {NEEDLE_SUBTASKS} subtasks")
    notes = [note for point in points for note in point.notes]
    differs += list(dict.fromkeys(notes))
    if samples is None:
        samples = min(point.samples for point in points)
    return Measurement(value, points[0].model, length, samples, [point.source for point in points], differs, interval)


def other_model(found: Sequence[Point | Index]) -> list[str]:
    """That the backbone is not the paper's, if it is not."""
    return [] if all(one.paper_backbone for one in found) else [f"on {found[0].model}, not on the paper's Qwen3-4B"]


def _best(points: Sequence[Point]) -> Point:
    return max(points, key=lambda point: (point.paper_backbone, point.subtasks, point.samples))


def _of_all_seeds(points: Sequence[Point]) -> list[Point]:
    """The best run, and of every other seed one that asked the same weights as much in the same way."""
    best = _best(points)
    alike = [point for point in points if None not in (point.seed, best.seed) and _asked(point) == _asked(best)]
    return list({point.seed: point for point in [*alike, best]}.values())


def _asked(point: Point) -> tuple[object, ...]:
    return point.model, point.weights, point.variant, dict(point.ablate), point.subtasks, point.samples


def _nearest(points: Sequence[Point], length: str) -> str:
    wanted = parse_length(length)
    known = [point for point in points if point.length]
    if not known:
        return ""
    near = min(known, key=lambda point: abs(math.log((point.length or 1) / wanted)))
    return f"; the nearest is {near.length_name}: {near.value.mean:.3f} on {near.model}"


def _names(points: Sequence[Point]) -> str:
    return " and ".join(point.task for point in points)


def _lengths(points: Sequence[Point]) -> str:
    return ", ".join(dict.fromkeys(point.length_name for point in points))


def _tasks_missing(points: Sequence[Point], tasks: Sequence[str]) -> list[str]:
    measured = [point.task for point in points]
    return [] if len(measured) == len(tasks) else [f"{len(measured)} of {len(tasks)} tasks ({', '.join(measured)})"]
