from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datasets", reason="the package datasets is not installed")
import pyarrow as pa
import pyarrow.parquet as pq

from msa_bench.errors import UserError
from tasks import hotpotqa, ms_marco, musique, narrativeqa, triviaqa, two_wiki
from tasks.qa.sources import Declaration, load_data

HOTPOT = {
    "id": "h1",
    "question": "Who wrote the play staged in Ayr?",
    "answer": "Bo",
    "supporting_facts": {"title": ["Ayr", "Play"], "sent_id": [0, 1]},
    "context": {
        "title": ["Ayr", "Play", "Other"],
        "sentences": [["Ayr staged the Play.", " It rained."], ["The Play.", " By Bo."], ["Nothing."]],
    },
}
MUSIQUE = {
    "id": "2hop__1_2",
    "question": "Who?",
    "answer": "Bo",
    "answer_aliases": ["Bo B."],
    "answerable": True,
    "paragraphs": [
        {"idx": 0, "title": "Play", "paragraph_text": "By Bo.", "is_supporting": True},
        {"idx": 1, "title": "Ayr", "paragraph_text": "A town.", "is_supporting": False},
    ],
}
MARCO = {
    "query_id": 7,
    "query": "who is bo",
    "answers": ["No Answer Present."],
    "passages": {"passage_text": ["Bo is one.", "Ada is another."], "is_selected": [1, 0], "url": ["a", "b"]},
}
TRIVIA = {
    "question_id": "t1",
    "question": "Who wrote it?",
    "answer": {"value": "Bo", "aliases": ["Bo", "Mr Bo"]},
    "entity_pages": {"title": ["Bo"], "wiki_context": ["Bo wrote it."]},
}
NARRATIVE = {
    "document": {"id": "d1", "text": "Once upon a time Bo slept. "},
    "question": {"text": "Who slept?"},
    "answers": [{"text": "Bo"}, {"text": "Bo did"}],
}
LAYOUTS: list[tuple[Declaration, str, dict[str, Any], tuple[str, ...], list[str], int]] = [
    (hotpotqa.HOTPOTQA, "distractor/validation-00000-of-00001.parquet", HOTPOT, ("Bo",),
     ["Ayr\nAyr staged the Play. It rained.", "Play\nThe Play. By Bo."], 3),
    (two_wiki.TWO_WIKI, "data/validation-00000-of-00001.parquet", HOTPOT, ("Bo",),
     ["Ayr\nAyr staged the Play. It rained.", "Play\nThe Play. By Bo."], 3),
    (musique.MUSIQUE, "musique_ans_v1.0_dev.jsonl", MUSIQUE, ("Bo", "Bo B."), ["Play\nBy Bo."], 2),
    (ms_marco.MS_MARCO, "v1.1/validation-00000-of-00001.parquet", MARCO, (), ["Bo is one."], 2),
    (triviaqa.TRIVIAQA, "rc.wikipedia/validation-00000-of-00001.parquet", TRIVIA, ("Bo", "Mr Bo"),
     ["Bo\nBo wrote it."], 1),
    (narrativeqa.NARRATIVEQA, "data/test-00000-of-00001.parquet", NARRATIVE, ("Bo", "Bo did"),
     ["Once upon a time Bo slept."], 1),
]  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSA_BENCH_CACHE", str(tmp_path / "cache"))


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows)
    if file.suffix == ".parquet":
        pq.write_table(table, file)
    else:
        table.to_pandas().to_json(file, orient="records", lines=True)


@pytest.mark.parametrize(("declaration", "file", "row", "answers", "gold", "passages"), LAYOUTS)
def test_a_directory_in_the_hubs_layout_loads(
    tmp_path: Path,
    declaration: Declaration,
    file: str,
    row: dict[str, Any],
    answers: tuple[str, ...],
    gold: list[str],
    passages: int,
) -> None:
    repository = tmp_path / "repository"
    write(repository / file, [row])
    (repository / "README.md").write_text("A card.")
    data = load_data(declaration, repository)
    (question,) = data.questions
    assert question.answers == answers
    assert [data.passages[place] for place in question.gold] == gold
    assert len(data.passages) == passages


def test_passages_of_several_questions_and_files_make_one_bank(tmp_path: Path) -> None:
    other = {**HOTPOT, "id": "h2", "question": "Where?"}
    for part, row in enumerate((HOTPOT, other)):
        write(tmp_path / "r" / "distractor" / f"validation-0000{part}-of-00002.parquet", [row])
    write(tmp_path / "r" / "distractor" / "train-00000-of-00001.parquet", [{**HOTPOT, "id": "seen in training"}])
    data = load_data(hotpotqa.HOTPOTQA, tmp_path / "r")
    assert [question.id for question in data.questions] == ["h1", "h2"]
    assert len(data.passages) == 3


def test_a_file_of_another_layout_or_none_at_all_is_named(tmp_path: Path) -> None:
    file = tmp_path / "r" / "distractor" / "validation-00000-of-00001.parquet"
    write(file, [MARCO])
    with pytest.raises(UserError, match=r"is not laid out as hotpotqa/hotpot_qa is: KeyError"):
        load_data(hotpotqa.HOTPOTQA, tmp_path / "r")
    file.write_bytes(b"PAR1 no more")
    with pytest.raises(UserError, match="cannot be read as a data set"):
        load_data(hotpotqa.HOTPOTQA, tmp_path / "r")


def test_a_directory_with_none_of_the_forms_says_what_they_are(tmp_path: Path) -> None:
    forms = r"questions.jsonl and corpus.jsonl, or qdata_hotpotqa.pkl and mdata_hotpotqa.pkl, or files distractor/val"
    with pytest.raises(UserError, match=f"holds no data for hotpotqa; it needs {forms}"):
        load_data(hotpotqa.HOTPOTQA, tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        load_data(hotpotqa.HOTPOTQA, tmp_path / "absent")
