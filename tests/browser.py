"""A headless Chromium driven over the DevTools protocol on a pair of pipes; needs nothing but the browser.

It is taken from `MSA_BENCH_CHROMIUM` or from PATH.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def chromium() -> str | None:
    """The browser to test with, if there is one."""
    named = os.environ.get("MSA_BENCH_CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page in one browser, whose profile lies in `profile`; a context manager."""

    def __init__(self, binary: str, profile: Path) -> None:
        read_commands, self._commands = os.pipe()
        self._answers, write_answers = os.pipe()
        # The browser reads from descriptor 3 and writes to 4; moved up first, so that neither is in the other's way.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (read_commands, write_answers)]

        def place() -> None:
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        options = [
            *("--headless", "--remote-debugging-pipe", f"--user-data-dir={profile}", "--no-first-run"),
            *("--disable-gpu", "--hide-scrollbars", "--disable-background-networking", "--disable-dev-shm-usage"),
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
        ]
        self._process = subprocess.Popen(
            [binary, *options, "about:blank"], pass_fds=(3, 4), preexec_fn=place, stderr=subprocess.DEVNULL
        )
        for end in (read_commands, write_answers, *ends):
            os.close(end)
        self._rest, self._number = b"", 0
        self.events: list[dict[str, Any]] = []
        target = self._call("Target.createTarget", url="about:blank", session=None)["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True, session=None)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait(20)
        os.close(self._commands)
        os.close(self._answers)

    def show(self, width: int, height: int, scheme: str) -> None:
        """The size of the window, and `light` or `dark`."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                   mobile=width < 700)  # fmt: skip
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, file: Path) -> None:
        """Open a file, and wait until it has loaded."""
        self.events.clear()
        self._call("Page.navigate", url=file.resolve().as_uri())
        self._until(lambda: any(event["method"] == "Page.loadEventFired" for event in self.events))

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, waited for if it is a promise."""
        answer = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise AssertionError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 30) -> None:
        """Wait until a JavaScript expression holds."""
        self.run(
            f"""new Promise((yes, no) => {{
                const end = performance.now() + {1000 * seconds};
                const look = () => ({condition}) ? yes() : performance.now() > end ? no(new Error("waited in vain"))
                    : setTimeout(look, 5);
                look();
            }})"""
        )

    def complaints(self) -> list[str]:
        """Errors, warnings and what the page's own policy blocked, since it was opened."""
        bad = []
        for event in self.events:
            if event["method"] == "Runtime.exceptionThrown":
                bad.append(json.dumps(event["params"]["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded":
                bad.append(event["params"]["entry"]["text"])
        return bad

    def requests(self) -> list[str]:
        """The addresses that were asked for since the page was opened."""
        return [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]

    def screenshot(self, file: Path, whole: bool = False) -> None:
        """A PNG of the window, or of the whole page."""
        data = self._call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        file.write_bytes(base64.b64decode(data))

    def _call(self, method: str, session: str | None = "own", **parameters: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        answer: dict[str, Any] = self._until(lambda: self._answered.pop(number, None))
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']['message']}")
        return answer.get("result", {})

    def _until(self, found: Callable[[], Any]) -> Any:
        while not (value := found()):
            piece = os.read(self._answers, 1 << 20)
            if not piece:
                raise AssertionError("the browser has ended")
            *messages, self._rest = (self._rest + piece).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self._answered[message["id"]] = message
                else:
                    self.events.append(message)
        return value

    @property
    def _answered(self) -> dict[int, dict[str, Any]]:
        return self.__dict__.setdefault("answers", {})
