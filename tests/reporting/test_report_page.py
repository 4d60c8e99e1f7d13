"""The page in a browser, opened from the file system as a reader opens it."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest
from browser import Browser, chromium
from report_runs import Line, write_run

from msa_bench.reporting.report.build import write_report

BINARY = chromium()
in_browser = pytest.mark.skipif(
    BINARY is None, reason="no Chromium: set MSA_BENCH_CHROMIUM to one, or have chromium on PATH"
)
READY = "document.documentElement.dataset.ready"
EVIL = "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 1'>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert BINARY is not None
    with Browser(BINARY, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two lengths, an ablation and an unfinished run whose texts are all hostile."""

    def evil(line: Line) -> Line:
        return line | {"question": f"{line['question']} {EVIL}", "answer": EVIL, "gold": [EVIL], "notes": [EVIL]}

    runs = tmp_path_factory.mktemp("runs")
    write_run(runs / "short")
    write_run(runs / "long", length=65536, status="failed", change=evil)
    write_run(runs / "off", ablate={"interleave": "<i>off</i>"}, systems={"msa": (None,)})
    return write_report([runs], runs / "out").page


def test_the_page_asks_for_nothing_and_no_text_of_a_sample_stands_in_it(page: Path) -> None:
    html = page.read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!#)""", html)
    assert "window.hit" not in html
    assert "<i>off" not in html
    assert "default-src 'none'" in html
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(set(ids)) == len(ids)


def test_every_sample_is_in_the_page(page: Path) -> None:
    packed = dict(re.findall(r'<script type="text/plain" id="([a-z0-9-]+)">([^<]*)</script>', page.read_text()))
    unpacked = {name: json.loads(gzip.decompress(base64.b64decode(data))) for name, data in packed.items()}
    index = unpacked.pop("index")
    assert sum(map(len, unpacked.values())) == len(index["group"]) == len(index["score"]) == 24 + 24 + 8
    assert {group["finished"] for group in index["groups"]} == {True, False}


@in_browser
def test_the_page_opens_from_the_file_system_without_a_complaint(browser: Browser, page: Path) -> None:
    for width in (1280, 390):
        for scheme in ("light", "dark"):
            browser.show(width, 800, scheme)
            browser.open(page)
            browser.wait(READY)
            assert browser.complaints() == []
            assert browser.requests() == [page.resolve().as_uri()]
            assert browser.run("document.documentElement.scrollWidth") == width, "the page scrolls sideways"
            dark = browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 25)"
            assert dark == (scheme == "dark")


@in_browser
def test_texts_of_samples_stay_text(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.wait(READY)
    browser.run("document.querySelector('select[name=length]').value = '64K'")
    browser.run("document.querySelector('select[name=length]').dispatchEvent(new Event('change', {bubbles: true}))")
    browser.wait("document.getElementById('count').textContent.startsWith('24 of 56')")
    browser.wait("document.querySelector('.asked')?.textContent.includes('window.hit')")
    browser.run("document.querySelectorAll('#list details').forEach((one) => one.open = true)")
    browser.wait("document.querySelectorAll('#list dl').length === 24")
    assert browser.run("document.querySelector('#list dl').textContent").count(EVIL) >= 4
    assert browser.run("[window.hit ?? 0, document.querySelectorAll('#samples img, #samples script').length]") == [0, 0]
    assert browser.complaints() == []


@in_browser
def test_a_sample_shows_what_was_asked_found_and_answered(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.wait(READY)
    browser.run("document.querySelector('#list summary').click()")
    browser.wait("document.querySelector('#list dl')")
    words = browser.run("document.querySelector('#list dl').innerText")
    for part in ("What is number 0 of niah_single_1", "Expected", "Answer", "string_match_all", "Round 1", "Round 2",
                 "0 (gold)", "Documents used", "seed 42", "Depth", "Tokens"):  # fmt: skip
        assert part in words


@in_browser
def test_filters_and_search_choose_the_samples(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.wait(READY)

    def choose(name: str, value: str, expected: int) -> None:
        browser.run(
            f"(() => {{ const field = document.querySelector('#filters [name={name}]'); field.value = {value!r};"
            "document.getElementById('filters').requestSubmit(); })()"
        )
        browser.wait(f"document.getElementById('count').textContent === '{expected} of 56 samples'")

    scores = [
        json.loads(line)["scores"]["string_match_all"]
        for run in ("short", "off")
        for line in (page.parents[1] / run / "samples.jsonl").read_text().splitlines()
        if json.loads(line)["system"] == "msa"
    ]
    choose("length", "16K", 24 + 8)
    choose("system", "msa", 8)
    choose("system", "msa interleave=<i>off</i>", 8)
    choose("system", "", 24 + 8)
    choose("text", "NUMBER 3 OF", 8)
    choose("text", "", 24 + 8)
    choose("system", "msa", 8)
    choose("verdict", "right", sum(score == 1 for score in scores[:8]))


@in_browser
def test_a_heading_sorts_its_table_and_says_so(browser: Browser, page: Path) -> None:
    browser.open(page)
    column = "[...document.querySelectorAll('#table-results tbody tr')].map((row) => Number(row.cells[4].textContent))"
    head = "document.querySelectorAll('#table-results th[scope=col]')[4]"
    for expected in ("ascending", "descending"):
        browser.run(f"{head}.querySelector('button').click()")
        values = browser.run(column)
        assert values == sorted(values, reverse=expected == "descending")
        assert browser.run(f"{head}.getAttribute('aria-sort')") == expected


@in_browser
def test_a_screen_reader_finds_names_for_everything(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.wait(READY)
    assert browser.run("document.documentElement.lang") == "en"
    assert browser.run("[...document.querySelectorAll('svg')].every((one) => one.role === 'img' && "
                       "one.querySelector('title').textContent && one.querySelector('desc').textContent)")  # fmt: skip
    assert browser.run("[...document.querySelectorAll('select, input')].every((one) => one.labels.length === 1)")
    assert browser.run("[...document.querySelectorAll('button')].every((one) => one.textContent.trim())")
    assert browser.run("[...document.querySelectorAll('table')].every((one) => one.querySelector('th[scope=col]') && "
                       "one.closest('figure').querySelector('figcaption'))")  # fmt: skip
    levels = browser.run("[...document.querySelectorAll('h1, h2, h3')].map((one) => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert browser.run("document.getElementById('count').getAttribute('role')") == "status"


@pytest.mark.slow
@in_browser
def test_a_page_of_100_000_samples_opens_with_the_first_of_them_alone(browser: Browser, tmp_path: Path) -> None:
    def wordy(line: Line) -> Line:
        """With texts that do not compress away: as much as a question and a long answer hold."""
        digest = sha256(json.dumps(line).encode()).hexdigest()
        return line | {"question": f"{line['question']} {digest}", "answer": f"{digest[::-1]} {digest} " * 3}

    systems = {"msa": (None,), "full-context": (None,), "rag-bm25": ("k=1", "k=5", "k=10")}
    for length in (16384, 65536):
        write_run(tmp_path / "runs" / str(length), length=length, samples=5000, systems=systems, change=wordy)
    made = write_report([tmp_path / "runs"], tmp_path / "out")
    browser.show(1280, 800, "light")
    browser.open(made.page)
    browser.wait(READY)
    assert browser.run("document.getElementById('count').textContent") == "100,000 of 100,000 samples"
    assert browser.run("document.getElementById('list').children.length") < 1000
