from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stored_runs import ROWS, SUBTASKS, needle_run

from msa_bench.reporting.plots import accuracy_figure, caption, save_accuracy


def test_the_figure_has_every_mean_and_interval() -> None:
    run = needle_run()
    (axes,) = accuracy_figure(run).axes
    assert axes.get_ylabel() == "string_match_all (mean)"
    assert [label.get_text().replace("\n", "_") for label in axes.get_xticklabels()][-2:] == ["multiquery", "mean"]
    drawn = {container.get_label(): container for container in axes.containers}
    assert list(drawn) == [" ".join(filter(None, row)) for row in ROWS]
    msa = run.rows[0]
    points, _, (bars,) = drawn["msa"].lines
    cells = {cell["subtask"]: cell["scores"]["string_match_all"] for cell in msa["subtasks"]}
    expected = [*(cells[subtask] for subtask in SUBTASKS), msa["overall"]["string_match_all"]]
    assert points.get_ydata() == pytest.approx([one["mean"] for one in expected])
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    assert ends == pytest.approx(np.array([[one["low"], one["high"]] for one in expected]))


def test_the_labels_keep_clear_of_each_other() -> None:
    figure = accuracy_figure(needle_run())
    figure.canvas.draw()
    (axes,) = figure.axes
    (note,) = axes.texts
    boxes = [
        *(label.get_window_extent() for label in axes.get_xticklabels()),
        axes.xaxis.label.get_window_extent(),
        note.get_window_extent(),
    ]
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[place + 1 :])
    assert len(boxes) == len(SUBTASKS) + 3


def test_it_is_saved_as_png_and_svg(tmp_path: Path) -> None:
    png, svg = save_accuracy(needle_run(2, (None,)), tmp_path / "accuracy")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "string_match_all" in svg.read_text()


def test_the_caption_names_machine_samples_seed_and_method() -> None:
    words = " ".join(caption(needle_run()).split())
    for part in ("NVIDIA H200", "16 cores", "3 samples per subtask", "seed 42", "Wilson"):
        assert part in words
