"""Downloads from the Hugging Face hub: at one commit, resumed where they were cut, and checked file by file.

What was fetched is written beside the files, in `fetched.json`: the repository, the commit, and each file's hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from msa_bench.contracts import Progress, no_progress
from msa_bench.errors import UserError

MANIFEST = "fetched.json"
_TIMEOUT_SECONDS = 30.0


def fetch(
    repository: str,
    patterns: Iterable[str],
    directory: Path,
    revision: str | None = None,
    endpoint: str | None = None,
    progress: Progress = no_progress,
) -> str:
    """Bring the files of a data set on the hub that match `patterns` into `directory`; the commit they are of.

    Without a `revision` the one in the manifest is kept, failing that the newest is taken. A `UserError` where the hub
    cannot be reached, lacks a file, or sends another content than it lists.
    """
    from huggingface_hub import HfApi, hf_hub_url

    revision = revision or recorded_revision(directory)
    try:
        info = HfApi(endpoint=endpoint).dataset_info(
            repository, revision=revision, files_metadata=True, timeout=_TIMEOUT_SECONDS
        )
        commit, listed = str(info.sha), {one.rfilename: one for one in info.siblings or ()}
        wanted = {name for pattern in patterns for name in _matching(pattern, listed, repository)}
        for name in sorted(wanted):
            file = directory / name
            if not (file.is_file() and _is_whole(file, listed[name])):
                url = hf_hub_url(repository, name, repo_type="dataset", revision=commit, endpoint=endpoint)
                _download(url, file, listed[name], commit, progress)
    except UserError:
        raise
    # The client library has errors of its own, and those of two libraries underneath, without a common class.
    except Exception as error:
        raise UserError(f"{repository} cannot be fetched: {_reason(error)}.") from error
    files = {name: {"sha256": _sha256(directory / name), "bytes": (directory / name).stat().st_size} for name in wanted}
    manifest = {"repository": repository, "commit": commit, "files": dict(sorted(files.items()))}
    part = directory / f"{MANIFEST}.part"
    part.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    part.replace(directory / MANIFEST)
    return commit


def _download(url: str, file: Path, listed: Any, commit: str, progress: Progress) -> None:
    """Bring `file` whole, going on with what an earlier call of the same commit left of it."""
    import httpx2
    from huggingface_hub import get_token

    part = file.with_name(f"{file.name}.{commit[:12]}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    if token := get_token():
        headers["Authorization"] = f"Bearer {token}"
    with httpx2.stream("GET", url, headers=headers, follow_redirects=True, timeout=_TIMEOUT_SECONDS) as answer:
        # 416: what is there reaches to the end already, and the check below says whether it is right.
        if answer.status_code != 416:
            answer.raise_for_status()
            resumed = answer.status_code == 206
            done = have if resumed else 0
            with part.open("ab" if resumed else "wb") as stream:
                for block in answer.iter_bytes():
                    stream.write(block)
                    done += len(block)
                    progress(f"fetching {file.name}", done, listed.size, "bytes")
    if not _is_whole(part, listed):
        part.unlink()
        raise UserError(f"{file.name} arrived damaged and was removed; fetch it again.")
    part.replace(file)


def recorded_revision(directory: Path) -> str | None:
    """The commit that the files in `directory` are of, if they were fetched whole."""
    try:
        return str(json.loads((directory / MANIFEST).read_text(encoding="utf-8"))["commit"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _matching(pattern: str, names: Iterable[str], repository: str) -> list[str]:
    """The files of a repository that fit `pattern`; one without a folder fits in any folder."""
    found = [name for name in names if fnmatch(name if "/" in pattern else Path(name).name, pattern)]
    if not found:
        raise UserError(f"{repository} has no file {pattern} at this revision; give the data by --data DIR.")
    return found


def _is_whole(file: Path, listed: Any) -> bool:
    """Whether `file` has the size and the hash that the hub lists for it."""
    if listed.size is not None and file.stat().st_size != listed.size:
        return False
    if listed.lfs is not None:
        return _sha256(file) == str(listed.lfs.sha256)
    if listed.blob_id is not None:
        content = file.read_bytes()
        # Small files are listed by Git's own hash of them.
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == str(listed.blob_id)
    return True


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
