from __future__ import annotations

from pathlib import Path

import pytest

from msa_bench.errors import UserError
from msa_bench.reporting.curves import curves_figure, save_curves

HEADER = "step,stage,seconds,tokens,lm_loss,aux_loss,recall,recall_best_layer,named\n"


def row(step: int, stage: str, loss: float) -> dict[str, str]:
    return {"step": str(step), "stage": stage, "lm_loss": str(loss), "aux_loss": "1", "recall": "0.5", "named": "0.25"}


def test_trainings_that_went_on_from_each_other_are_one_curve() -> None:
    figure = curves_figure([[row(10, "warm-up", 2.0), row(20, "ids", 1.0)], [row(10, "sft", 0.5)]])
    losses, shares = figure.axes
    assert list(losses.lines[0].get_xdata()) == [10, 20, 30]
    assert list(losses.lines[0].get_ydata()) == [2.0, 1.0, 0.5]
    assert list(shares.lines[1].get_ydata()) == [0.25] * 3
    assert [note.get_text() for note in losses.texts] == ["warm-up", "ids", "sft"]
    assert [note.xy[0] for note in losses.texts] == [0, 10, 20]


def test_the_figure_is_written_in_both_forms(tmp_path: Path) -> None:
    (tmp_path / "curves.csv").write_text(HEADER + "2,only,1.5,100,2.5,1.5,0.1,0.2,0.0\n")
    made = save_curves([tmp_path / "curves.csv"], tmp_path / "curves")
    assert [file.name for file in made] == ["curves.png", "curves.svg"]
    assert all(file.stat().st_size > 1000 for file in made)


@pytest.mark.parametrize("content", [None, "", HEADER, "step,stage\n1,only\n"])
def test_a_file_without_curves_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "curves.csv").write_text(content)
    with pytest.raises(UserError, match=r"curves\.csv (cannot be read|holds no curves)"):
        save_curves([tmp_path / "curves.csv"], tmp_path / "curves")
