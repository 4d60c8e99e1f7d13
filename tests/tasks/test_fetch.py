from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from msa_bench.errors import UserError
from tasks.qa.fetch import MANIFEST, fetch, recorded_revision

REPOSITORY = "someone/some-set"
OLD, NEW = "a" * 40, "b" * 40
BIG = bytes(range(256)) * 4096


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download of a data set asks for."""

    files: dict[str, bytes]
    newest: str
    cut_after: int | None
    altered: bool
    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        self.answer(body=True)

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def answer(self, body: bool) -> None:
        hub = type(self)
        if match := re.fullmatch(r"/api/datasets/someone/some-set(?:/revision/(\w+))?", self.path.split("?")[0]):
            commit = match[1] if match[1] and match[1] != "main" else hub.newest
            return self.send(200, json.dumps({"id": REPOSITORY, "sha": commit, "siblings": self.listed()}).encode(), {})
        match = re.fullmatch(r"/datasets/someone/some-set/resolve/(\w+)/(.+)", self.path.split("?")[0])
        if not match or match[2] not in hub.files:
            return self.send(404, b"", {"X-Error-Code": "EntryNotFound"})
        content = hub.files[match[2]]
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Repo-Commit": match[1],
            "Accept-Ranges": "bytes",
        }
        if not body:
            return self.send(200, content, headers, body=False)
        hub.asked.append((match[2], self.headers["Range"]))
        if hub.altered:
            content = content[:-1] + b"?"
        start = int(re.findall(r"bytes=(\d+)-", self.headers["Range"] or "bytes=0-")[0])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self.send(206 if start else 200, content[start:], headers)

    def listed(self) -> list[dict[str, Any]]:
        return [
            {
                "rfilename": name,
                "size": len(content),
                "blobId": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
                **({"lfs": {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}}
                   if len(content) > 1000 else {}),
            }
            for name, content in type(self).files.items()
        ]  # fmt: skip

    def send(self, status: int, content: bytes, headers: dict[str, str], body: bool = True) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        hub = type(self)
        if body and hub.cut_after is not None and len(content) > hub.cut_after:
            self.wfile.write(content[: hub.cut_after])
            self.wfile.flush()
            self.close_connection = True
        elif body:
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[type[Hub]]:
    class Fresh(Hub):
        files = {"deep/mdata_x.pkl": BIG, "qdata_x.pkl": b"small", "other.txt": b"not asked for"}  # noqa: RUF012
        newest, cut_after, altered, asked = OLD, None, False, []

    server = ThreadingHTTPServer(("127.0.0.1", 0), Fresh)
    Fresh.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Fresh
    server.shutdown()
    server.server_close()


def get(hub: Any, directory: Path, revision: str | None = None, *patterns: str) -> str:
    return fetch(REPOSITORY, patterns or ("qdata_x.pkl", "mdata_x.pkl"), directory, revision, hub.url)


def test_the_files_arrive_and_the_manifest_names_commit_and_hashes(hub: type[Hub], tmp_path: Path) -> None:
    assert get(hub, tmp_path) == OLD
    assert (tmp_path / "deep" / "mdata_x.pkl").read_bytes() == BIG
    assert not (tmp_path / "other.txt").exists()
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert manifest["commit"] == OLD
    assert manifest["files"]["deep/mdata_x.pkl"] == {"sha256": hashlib.sha256(BIG).hexdigest(), "bytes": len(BIG)}


def test_a_second_fetch_keeps_to_the_commit_and_downloads_nothing_that_is_whole(hub: type[Hub], tmp_path: Path) -> None:
    get(hub, tmp_path)
    hub.newest = NEW
    hub.asked.clear()
    assert get(hub, tmp_path) == OLD == recorded_revision(tmp_path)
    assert hub.asked == []
    (tmp_path / "qdata_x.pkl").write_bytes(b"SMALL")
    get(hub, tmp_path)
    assert (tmp_path / "qdata_x.pkl").read_bytes() == b"small"


def test_a_pinned_revision_is_asked_for(hub: type[Hub], tmp_path: Path) -> None:
    assert get(hub, tmp_path, NEW) == NEW


def test_a_download_that_was_cut_goes_on_where_it_was_cut(hub: type[Hub], tmp_path: Path) -> None:
    hub.cut_after = 400_000
    for _ in range(4):
        with suppress(UserError):
            get(hub, tmp_path)
    assert (tmp_path / "deep" / "mdata_x.pkl").read_bytes() == BIG
    starts = [ranged for name, ranged in hub.asked if name.startswith("deep")]
    assert "bytes=400000-" in starts
    assert starts.count(None) == 1


def test_content_that_is_not_what_the_hub_lists_is_removed(hub: type[Hub], tmp_path: Path) -> None:
    hub.altered = True
    with pytest.raises(UserError, match="arrived damaged"):
        get(hub, tmp_path)
    assert recorded_revision(tmp_path) is None
    assert not list(tmp_path.rglob("mdata_x.pkl"))


def test_a_missing_file_and_an_unreachable_hub_are_said(hub: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file nothing\.pkl"):
        get(hub, tmp_path, None, "nothing.pkl")
    with pytest.raises(UserError, match="cannot be fetched"):
        fetch(REPOSITORY, ["x"], tmp_path, endpoint="http://127.0.0.1:9")
