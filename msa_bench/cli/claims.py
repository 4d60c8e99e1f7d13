"""`msa-bench claims`: the paper's claims, its values, ours, and the verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def claims(
    runs: Annotated[list[Path], typer.Argument(help="Directories with runs in them or below them.", metavar="DIR...")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object; the table goes to stderr.")] = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the table as Markdown there too.", metavar="FILE")
    ] = None,
) -> None:
    """Hold the paper's claims against what was measured: reproduced, partly, not reproduced, or not measured."""
    from msa_bench.errors import UserError
    from msa_bench.evaluation.claims import check_claims
    from msa_bench.evaluation.measured import gather
    from msa_bench.reporting.claims import claims_markdown, print_claims

    result = check_claims(gather(runs))
    if markdown is not None:
        try:
            markdown.parent.mkdir(parents=True, exist_ok=True)
            markdown.write_text(claims_markdown(result), encoding="utf-8")
        except OSError as error:
            raise UserError(f"The table {markdown} cannot be written: {error.strerror}.") from error
    print_claims(result, Console(stderr=as_json))
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
