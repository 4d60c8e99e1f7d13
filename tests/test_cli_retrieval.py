from __future__ import annotations

import json

from conftest import Command


def test_each_subtask_of_a_task_is_measured_or_the_named_ones(command: Command) -> None:
    options = ("retrieval", "--task", "niah", "--length", "2000", "--samples", "2", "--system", "rag-bm25", "--json")
    _, out, _ = command(*options)
    everything = json.loads(out)["rows"]
    assert len({row["task"] for row in everything}) == 8
    _, out, _ = command(*options, "--subtask", "niah_single_2", "--subtask", "niah_multiquery")
    assert [row["task"] for row in json.loads(out)["rows"]] == ["niah_single_2", "niah_multiquery"]


def test_a_subtask_that_is_none_is_refused_with_those_there_are(command: Command) -> None:
    status, _, error = command("retrieval", "--task", "niah", "--length", "2000", "--subtask", "single")
    assert status == 2
    assert "niah_single_2" in error
