import pickle
import re
from pathlib import Path

import pytest

from msa_bench.errors import UserError
from msa_bench.prose import Prose
from tasks.user_text import UserText, split_files


def tokens(text: str) -> int:
    return len(re.findall(r"\w{1,4}|[^\w\s]", text))


def split(source: Path, budget: int = 10**9) -> UserText:
    return split_files(source, budget, 2, 32, tokens)


def documents(text: UserText) -> list[str]:
    return [text[place] for place in range(len(text.starts))]


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


@pytest.fixture
def essays(tmp_path: Path) -> Path:
    (tmp_path / "b.md").write_text("# Later\n\n" + "\n\n".join(Prose(2, 500)[index] for index in range(5)))
    (tmp_path / "a.txt").write_text("\ufeff" + " ".join(Prose(1, 500)[index] for index in range(5)), "utf-8")
    (tmp_path / "image.png").write_bytes(b"\x89PNG\0")
    (tmp_path / "empty.txt").write_text("")
    return tmp_path


def test_documents_are_all_of_the_text_in_the_order_of_file_names(essays: Path) -> None:
    whole = "".join((essays / name).read_text("utf-8-sig") for name in ("a.txt", "b.md"))
    assert squeezed("".join(documents(split(essays)))) == squeezed(whole)


def test_documents_end_at_sentences_and_use_their_room(tmp_path: Path) -> None:
    sentence = "The old bridge was closed for a week."  # 11 tokens
    (tmp_path / "a.txt").write_text(" ".join([sentence] * 11))
    assert documents(split(tmp_path / "a.txt"))[:5] == [f"{sentence} {sentence}"] * 5


@pytest.mark.parametrize(
    "text", ["word " * 500, "unbroken" * 300, "漢字" * 300, "好" * 5_000 + "。短句。" * 20, "a\n" * 999]
)
def test_a_sentence_too_long_for_a_document_is_cut(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_text(text, "utf-8")
    parts = documents(split(tmp_path / "a.txt"))
    assert squeezed("".join(parts)) == squeezed(text)
    assert max(map(tokens, parts)) <= 32
    if " " in text:
        assert all(part == part.strip() and set(part.split()) == {"word"} for part in parts)


def test_splitting_stops_when_there_is_enough_and_the_text_repeats_when_there_is_not(essays: Path) -> None:
    few, all_ = split(essays, budget=200), split(essays)
    assert documents(all_)[: len(few.starts)] == documents(few)
    assert 200 < sum(map(tokens, documents(few))) <= 232
    assert all_[len(all_.starts) + 3] == all_[3]
    assert all_.notes(len(all_.starts)) == ()
    assert "repeated" in all_.notes(len(all_.starts) + 1)[0]


def test_it_pickles_small_and_its_recipe_follows_the_contents(essays: Path) -> None:
    text = split(essays)
    copy = pickle.loads(pickle.dumps(text))
    assert documents(copy) == documents(text)
    assert copy.recipe == text.recipe
    assert len(pickle.dumps(text)) < 3_000
    (essays / "b.md").write_text("Something else.")
    assert split(essays).recipe != text.recipe


@pytest.mark.parametrize("content", [b"", b" \n\n ", b"\x00\x01text", b"caf\xe9 au lait. " * 3])
def test_what_is_no_text_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "given.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"given\.txt"):
        split(path)


def test_a_missing_path_and_a_directory_without_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        split(tmp_path / "nowhere")
    (tmp_path / "picture.jpg").write_bytes(b"\0")
    with pytest.raises(UserError, match="no text file"):
        split(tmp_path)
