from __future__ import annotations

import io
import json
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from msa_bench.contracts import TaskRequest
from msa_bench.errors import UserError
from tasks import hotpotqa, ms_marco
from tasks.qa.authors import AuthorsSet, read_authors
from tasks.qa.plain_pickle import read_plain_pickle
from tasks.qa.sources import load_data

TOY = AuthorsSet("toy", "toy")
PASSAGES = ["Ada\nAda wrote it.", "Bo\nBo read it.", "Cy\nCy sold it.", "Bo\nBo  read it."]
ROWS = [
    {"query": "Who wrote it?", "reference_list": ["Ada\nAda wrote it."], "answer": "Ada"},
    {"query": "Who read it?", "reference_list": ["Bo\nBo read it.", "Cy\nCy sold it."], "answer": ["Bo", "Bo B."]},
]


def write(directory: Path, rows: Any = ROWS, passages: Any = PASSAGES, name: str = "toy") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for kind, value in (("qdata", rows), ("mdata", passages)):
        (directory / f"{kind}_{name}.pkl").write_bytes(pickle.dumps(value))
    return directory


def test_questions_find_their_passages_and_equal_passages_serve_for_each_other(tmp_path: Path) -> None:
    data = read_authors(write(tmp_path), TOY)
    assert data.passages == PASSAGES
    assert [question.answers for question in data.questions] == [("Ada",), ("Bo", "Bo B.")]
    assert [question.gold for question in data.questions] == [(0,), (1, 2)]
    assert {place: list(same) for place, same in data.questions[1].alternatives.items()} == {1: [3]}


def test_a_gold_passage_outside_the_bank_is_told_and_files_of_two_sets_are_refused(tmp_path: Path) -> None:
    rows = [*ROWS, {"query": "Who?", "reference_list": ["Di\nDi is elsewhere."], "answer": "Di"}]
    data = read_authors(write(tmp_path / "some", rows), TOY)
    assert len(data.questions) == 2
    assert "1 gold passages are not in the authors' bank; 1 questions" in data.notes[0]
    with pytest.raises(UserError, match="do not belong together"):
        read_authors(write(tmp_path / "none", rows, ["another passage"]), TOY)


@pytest.mark.parametrize(
    ("rows", "passages", "said"),
    [
        ({}, PASSAGES, "does not hold a list of questions"),
        ([], PASSAGES, "does not hold a list of questions"),
        ([*ROWS, "Who?"], PASSAGES, "Entry 2 of"),
        ([*ROWS, {**ROWS[0], "query": 7}], PASSAGES, "Entry 2 of"),
        ([*ROWS, {**ROWS[0], "reference_list": "Ada"}], PASSAGES, "Entry 2 of"),
        ([*ROWS, {**ROWS[0], "answer": 3}], PASSAGES, "Entry 2 of"),
        (ROWS, "text", "does not hold a list of passages"),
        (ROWS, [], "does not hold a list of passages"),
        (ROWS, [*PASSAGES, b"bytes"], "Entry 4 of"),
    ],
)
def test_wrong_shapes_are_named(tmp_path: Path, rows: Any, passages: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_authors(write(tmp_path, rows, passages), TOY)


class Runs:
    """What a malicious file holds: unpickled the usual way it runs a command."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def test_plain_values_come_back_whatever_the_protocol(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True, 10**30], "b": ("text", b"bytes"), "c": {1, 2}}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        # The oldest protocols have no opcode for bytes and sets and name their types instead.
        kept = value if protocol >= 4 else {"a": value["a"], "b": ("text",)}
        (tmp_path / "plain.pkl").write_bytes(pickle.dumps(kept, protocol))
        assert read_plain_pickle(tmp_path / "plain.pkl") == kept


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_would_run_a_command_is_refused_and_nothing_runs(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "ran"
    for function, argument in ((os.system, f"touch {mark}"), (eval, f"open({str(mark)!r}, 'w')")):
        rows = [*ROWS, Runs(function, argument)]
        directory = write(tmp_path / "set")
        (directory / "qdata_toy.pkl").write_bytes(pickle.dumps(rows, protocol))
        with pytest.raises(UserError, match=r"is refused: it asks for .* nothing in it was run"):
            read_authors(directory, TOY)
        assert not mark.exists()
    pickle.loads(pickle.dumps(Runs(os.system, f"touch {mark}"), protocol))
    assert mark.exists(), "unpickled the usual way it does run"


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(OrderedDict(a=1)),
        b"cbuiltins\ngetattr\n.",
        b"(S'ls'\nios\nsystem\n.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        b"\x80\x02\x82\x01.",
        b"\x80\x04\x8c\x01x\x8c\x01y\x85R.",
        b"\x80\x04\x8c\x01x)\x81.",
        b"\x80\x04}\x8c\x01x}b.",
        b"Pid\n.",
    ],
)
def test_other_ways_to_reach_code_are_refused_too(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pkl").write_bytes(content)
    with pytest.raises(UserError, match=r"is refused|is no whole pickle"):
        read_plain_pickle(tmp_path / "x.pkl")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = pickle.dumps(PASSAGES)
    huge = b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x."
    for content in (b"", b"\x80", whole[:-3], whole[5:], b"not a pickle at all", huge):
        (tmp_path / "x.pkl").write_bytes(content)
        with pytest.raises(UserError, match="is no whole pickle"):
            read_plain_pickle(tmp_path / "x.pkl")
    with pytest.raises(UserError, match="cannot be read"):
        read_plain_pickle(tmp_path / "absent.pkl")


def test_the_scaling_bank_is_taken_where_a_length_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "down", ROWS[:1], PASSAGES, "msmarco_v1")
    declaration = ms_marco.MS_MARCO
    assert len(load_data(declaration, tmp_path).questions) == 1
    assert len(load_data(declaration, tmp_path, scaled=True).questions) == 1
    (tmp_path / "deep" / "qdata_msmarco_16K.pkl").write_bytes(pickle.dumps(ROWS))
    (tmp_path / "deep" / "mdata_msmarco_100M.pkl").write_bytes(pickle.dumps(PASSAGES))
    assert len(load_data(declaration, tmp_path).questions) == 1
    assert len(load_data(declaration, tmp_path, scaled=True).questions) == 2


@pytest.mark.skipif("MSA_BENCH_DATA" not in os.environ, reason="MSA_BENCH_DATA names no directory of data sets")
def test_a_real_set_laid_out_like_the_authors_is_the_same_bank_as_its_jsonl(tmp_path: Path) -> None:
    source = Path(os.environ["MSA_BENCH_DATA"]) / "hotpotqa"
    with (source / "corpus.jsonl").open(encoding="utf-8") as file:
        corpus = {row["id"]: f"{row['title']}\n{row['text']}" for row in map(json.loads, file)}
    with (source / "questions.jsonl").open(encoding="utf-8") as file:
        rows = [
            {
                "query": row["question"],
                "reference_list": [corpus[one] for one in row["gold_ids"]],
                "answer": row["answers"],
            }
            for row in map(json.loads, file)
        ]
    write(tmp_path, rows, list(corpus.values()), "hotpotqa")
    task = hotpotqa.task()

    def gold(data: Path) -> list[tuple[str, frozenset[str]]]:
        dataset = task.load(TaskRequest(None, 300, 42, len, data=data))
        return sorted(
            (one.text, frozenset(dataset.corpus[each].text for each in one.gold_ids)) for one in dataset.questions
        )

    assert gold(tmp_path) == gold(source)


def test_reading_leaves_the_ordinary_unpickler_alone() -> None:
    assert pickle.Unpickler(io.BytesIO(pickle.dumps(OrderedDict(a=1)))).load() == OrderedDict(a=1)
