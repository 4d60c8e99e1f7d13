from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Command

from msa_bench.ask.answering import open_library
from msa_bench.errors import UserError

TEXT = "The mill stands by the river. " * 3


def count_words(text: str) -> int:
    return len(text.split())


def pdf(text: str) -> bytes:
    """A PDF of one page that says `text`, written by hand."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    content, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(content)
    content += b"xref\n0 5\n0000000000 65535 f \n" + table
    return content + b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.md").write_text("# Mill\n\n" + TEXT, encoding="utf-8")
    (folder / "deep" / "b.txt").write_text(TEXT * 40, encoding="utf-8")
    (folder / "c.jsonl").write_text(json.dumps({"title": "Inn", "text": "It is old."}) + "\n\n" + '{"text": "Bare."}\n')
    (folder / "d.pdf").write_bytes(pdf("The warden is Ada."))
    (folder / "ignored.png").write_bytes(b"\x89PNG")
    return folder


def test_every_kind_of_file_becomes_passages_that_say_where_they_stand(docs: Path, tmp_path: Path) -> None:
    pytest.importorskip("pypdf")
    library = open_library(docs, "m", tmp_path / "kept", count_words)
    found = dict(zip(library.places, library.texts, strict=True))
    assert list(dict.fromkeys(library.places)) == [
        "a.md", "c.jsonl, line 1", "c.jsonl, line 3", "d.pdf, page 1", "deep/b.txt"
    ]  # fmt: skip
    assert found["c.jsonl, line 1"] == "Inn\nIt is old."
    assert found["d.pdf, page 1"] == "The warden is Ada."
    assert library.places.count("deep/b.txt") == 3
    assert max(map(count_words, library.texts)) <= 256


def test_passages_are_kept_until_the_documents_change(docs: Path, tmp_path: Path) -> None:
    def refuse(text: str) -> int:
        raise AssertionError("read again")

    first = open_library(docs, "m", tmp_path / "kept", count_words)
    again = open_library(docs, "m", tmp_path / "kept", refuse)
    assert (again.texts, again.fingerprint) == (first.texts, first.fingerprint)
    (docs / "a.md").write_text("Changed.")
    changed = open_library(docs, "m", tmp_path / "kept", count_words)
    assert changed.fingerprint != first.fingerprint
    assert "Changed." in changed.texts
    (kept,) = (file for file in (tmp_path / "kept").iterdir() if file.name.startswith(first.fingerprint[:16]))
    kept.write_text("{")
    (docs / "a.md").write_text("# Mill\n\n" + TEXT, encoding="utf-8")
    assert open_library(docs, "m", tmp_path / "kept", count_words).texts == first.texts


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.jsonl", b'{"text": "a"}\n{"no": 1}\n', "Line 2 of"),
        ("x.jsonl", b"[]\n", "Line 1 of"),
        ("x.jsonl", b'{"text": 3}\n', "Line 1 of"),
        ("x.txt", b"\xff\xfe\x00", "is not UTF-8"),
        ("x.pdf", b"%PDF-nothing", "cannot be read as a PDF"),
        ("x.md", b"  \n", "hold no text"),
        ("x.png", b"", "holds no document"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        open_library(folder, "m", tmp_path / "kept", count_words)


def test_the_command_answers_and_names_its_sources(docs: Path, command: Command) -> None:
    options = ("--docs", str(docs), "--system", "toy-echo", "--bank", "kept")
    status, out, error = command("ask", "Where is the mill?", *options, "--json")
    assert status == 0, error
    found = json.loads(out)
    assert found["answer"] == found["sources"][0]["text"]
    assert found["sources"][0]["place"] == "deep/b.txt"
    status, out, _ = command("ask", "Where is the mill?", *options)
    assert status == 0
    assert "[1] deep/b.txt" in out


def test_an_empty_question_and_absent_documents_are_said(docs: Path, command: Command) -> None:
    status, _, error = command("ask", " ", "--docs", str(docs), "--system", "toy-echo", "--bank", "kept")
    assert (status, "is empty" in error) == (2, True)
    status, _, error = command("ask", "What?", "--docs", "absent", "--system", "toy-echo")
    assert (status, "does not exist" in error) == (2, True)
