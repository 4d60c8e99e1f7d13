"""`msa-bench gate`: a run against a reference, for continuous integration."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

EXIT = {"pass": 0, "regressed": 1, "inconclusive": 3}
DEFAULT_TOLERANCE_POINTS = 5.0


def gate(
    run: Annotated[Path, typer.Argument(help="Directory of a finished run.", metavar="DIR")],
    reference: Annotated[Path | None, typer.Option(help="The reference file to compare it with.")] = None,
    write_reference: Annotated[
        Path | None, typer.Option(help="Make a reference file from the run instead.", metavar="FILE")
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Points (hundredths of the score's range) that may be lost.",
            show_default=f"the reference's own; {DEFAULT_TOLERANCE_POINTS:g} where one is made",
        ),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            help="What may differ from the reference, repeatable: adapter (another adapter on the same backbone), "
            "ablate (other ablation switches)."
        ),
    ] = None,
    score: Annotated[
        str | None, typer.Option(help="With --write-reference: the score.", show_default="the task's main score")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write a JUnit XML report there too.", metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as one JSON object.")] = False,
) -> None:
    """Exit with 0 if the run holds its reference's score, 1 if it regressed, 3 if its questions are too few to tell.

    2 means that the two cannot be compared, in a sentence that names what differs. Where GITHUB_STEP_SUMMARY names a
    file, the verdict is added to it.
    """
    from msa_bench.errors import UserError
    from msa_bench.evaluation.finished import read_run
    from msa_bench.evaluation.gate import require_tolerance, run_gate
    from msa_bench.evaluation.reference import make_reference
    from msa_bench.evaluation.reference import write_reference as write
    from msa_bench.reporting.gate import error_junit, error_markdown, gate_junit, gate_markdown, gate_text

    if (reference is None) == (write_reference is None):
        raise UserError("A gate takes either --reference FILE or, to make that file, --write-reference FILE.")
    if write_reference is not None:
        points = DEFAULT_TOLERANCE_POINTS if tolerance is None else tolerance
        require_tolerance(points)
        made = make_reference(read_run(run), points, score)
        write(made, write_reference)
        scores = sum(map(len, made["rows"].values()))
        print(f"reference: {write_reference} ({scores} scores, tolerance {points:g} points)")
        return
    assert reference is not None
    if score is not None:
        raise UserError("--score belongs to --write-reference; a reference names its own score.")
    try:
        result = run_gate(read_run(run), reference, tolerance, accept or ())
    except UserError as error:
        _report(junit, error_junit(str(error)), error_markdown(str(error)))
        raise
    _report(junit, gate_junit(result), gate_markdown(result))
    print(json.dumps(result, ensure_ascii=False) if as_json else gate_text(result))
    if status := EXIT[result["verdict"]]:
        raise typer.Exit(status)


def _report(junit: Path | None, xml: str, markdown: str) -> None:
    from msa_bench.errors import UserError

    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    try:
        if junit is not None:
            junit.parent.mkdir(parents=True, exist_ok=True)
            junit.write_text(xml, encoding="utf-8")
        if summary:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(markdown + "\n")
    except OSError as error:
        raise UserError(f"The gate's report {error.filename} cannot be written: {error.strerror}.") from error
