"""A chat-completions server on loopback whose behaviour a test scripts, fault by fault."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

FAULTS = ("429", "500", "slow", "empty", "chatty", "cut", "no json")
Script = Callable[[dict[str, Any], int], str]
"""From the request's body and how often the same prompt came before to a reply, the name of a fault, or the URL of a
server that is asked instead."""


class JudgeServer:
    """What came in (`requests`, `keys`, the most at a time) and how it is answered (`script`)."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.seen: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.most_at_once = 0
        self.at_once = 0
        self.lock = threading.Lock()
        self.url = ""
        self.closing = threading.Event()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self.lock:
            prompt = body["messages"][0]["content"]
            before = self.seen[prompt]
            self.seen[prompt] += 1
            self.requests.append(body)
            self.keys.add(handler.headers["Authorization"])
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            reply = self.script(body, before)
            self.faults[reply] += reply in FAULTS
        try:
            self.answer(handler, reply, body)
        finally:
            with self.lock:
                self.at_once -= 1

    def answer(self, handler: BaseHTTPRequestHandler, reply: str, body: dict[str, Any]) -> None:
        if reply in ("429", "500", "401", "404"):
            return send(handler, int(reply), b'{"error": {"message": "no: Bearer sk-secret"}}', {"Retry-After": "0"})
        if reply == "slow":
            self.closing.wait(10)
            reply = "3"
        if reply.startswith("http://"):
            return send(handler, 200, asked(reply, body), {})
        texts = {"empty": "", "chatty": "I would say that this deserves a 4."}
        content = json.dumps(
            {
                "choices": [{"message": {"role": "assistant", "content": texts.get(reply, reply)}}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 1},
            }
        ).encode()
        if reply == "no json":
            content = content[:20]
        return send(handler, 200, content, {}, cut=reply == "cut")


def asked(url: str, body: dict[str, Any]) -> bytes:
    request = Request(f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request) as reply:
        content: bytes = reply.read()
    return content


def send(
    handler: BaseHTTPRequestHandler, status: int, content: bytes, headers: dict[str, str], cut: bool = False
) -> None:
    handler.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(content))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2] if cut else content)
    handler.close_connection = True


@contextmanager
def serving(script: Script) -> Iterator[JudgeServer]:
    judge = JudgeServer(script)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/chat/completions"
            judge.handle(self)

        def log_message(self, *arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that gave up waiting is part of the test."""

    server = Server(("127.0.0.1", 0), Handler)
    judge.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield judge
    finally:
        judge.closing.set()
        server.shutdown()
        server.server_close()
