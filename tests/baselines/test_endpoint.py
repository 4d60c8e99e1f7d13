from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest

from baselines.endpoint import EndpointReader, parse_endpoint
from baselines.hipporag.language_model import LanguageModel, LanguageModelOpenIE, recognition
from baselines.rag import Rag
from baselines.retrievers import BM25
from msa_bench.contracts import Question, SystemRequest
from msa_bench.endpoint import Completion, Endpoint, chat
from msa_bench.errors import UserError

from .conftest import CharTokenizer, ListCorpus


class Server:
    """An endpoint on this machine that answers from `replies`, (status, body) each, the last one for ever."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.replies: list[tuple[int, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                outer.keys.append(self.headers.get("Authorization"))
                status, body = outer.replies.pop(0) if len(outer.replies) > 1 else outer.replies[0]
                self.send_response(status if self.path == "/v1/chat/completions" else 404)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *arguments: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def says(self, *texts: str) -> None:
        self.replies = [(200, completion(text)) for text in texts]


def completion(text: str) -> str:
    message = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    return json.dumps(message | {"usage": {"prompt_tokens": 77, "completion_tokens": 5}})


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.http.shutdown()


def test_an_endpoint_reads_the_prompt_as_one_user_turn_and_its_tokens_are_the_servers(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    server.says(" An owl. ")
    reader = EndpointReader(parse_endpoint(f"big@{server.url}"), CharTokenizer(), 200)  # type: ignore[arg-type]
    monkeypatch.setattr("baselines.rag.load_reader", lambda request: reader)
    rag = Rag("rag-bm25", BM25(), SystemRequest("toy", max_answer_tokens=10))
    rag.index(ListCorpus(["owl", "fox"]))
    answers = list(rag.answer([Question("q", "Fox?", (), answer_prefix="It is")]))
    assert len(server.asked) == 3  # they come side by side, in any order
    assert [{"role": "user", "content": "Passage 1:\nfox\nFox?"}] in [one["messages"] for one in server.asked]
    assert (server.asked[0]["temperature"], server.asked[0]["max_tokens"]) == (0, 10)
    assert server.keys[0] == "Bearer secret"
    assert [(one.text, one.tokens_in, one.tokens_out) for one in answers] == [("An owl.", 77, 5)] * 3
    assert "none was prefilled" in answers[0].notes[-1]
    assert rag.describe()["reader"] == "big"


def asked(url: str) -> Completion:
    with httpx2.Client() as client:
        return chat(client, Endpoint(url, "m", attempts=3, backoff_seconds=0), "?", 5)


def test_a_busy_endpoint_is_asked_again_and_a_dead_one_named(server: Server) -> None:
    server.replies = [(503, ""), (429, ""), (200, completion("yes"))]
    assert asked(server.url).text == "yes"
    assert len(server.asked) == 3
    server.replies = [(503, "")]
    with pytest.raises(UserError, match=r"does not answer \(status 503\)"):
        asked(server.url)
    assert len(server.asked) == 6
    with pytest.raises(UserError, match="does not answer"):
        asked("http://127.0.0.1:9/v1")


@pytest.mark.parametrize("reply", ["<html>", '{"choices": []}', "[]"])
def test_what_is_no_completion_is_said_in_one_sentence(server: Server, reply: str) -> None:
    server.replies = [(200, reply)]
    with pytest.raises(UserError, match=r"no chat completion.*mostly ends in /v1"):
        asked(server.url)


def test_a_refusal_is_not_asked_again(server: Server) -> None:
    server.replies = [(401, "no key")]
    with pytest.raises(UserError, match=r"refuses with status 401 \(no key\)"):
        asked(server.url)
    assert len(server.asked) == 1


@pytest.mark.parametrize("address", ["http://me:hush@host/v1", "https://host/v1?key=hush"])
def test_an_address_that_no_record_may_show_is_refused_without_showing_it(address: str) -> None:
    with pytest.raises(UserError, match="cannot hold a password or a query") as raised:
        parse_endpoint(f"big@{address}")
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("text", ["model", "@http://x", "model@ftp://x"])
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no endpoint"):
        parse_endpoint(text)


def test_a_language_model_extracts_and_filters(server: Server) -> None:
    reader = EndpointReader(Endpoint(server.url, "m"), CharTokenizer(), 5000, concurrency=1)  # type: ignore[arg-type]
    model = LanguageModel("m", reader)
    server.says('{"entities": ["Fox"], "triples": []}', "no JSON")
    read = list(LanguageModelOpenIE(model).extract(["the Fox", "an owl"]))
    assert [one.failed for one in read] == [False, True]
    assert "Passage:\nthe Fox" in server.asked[0]["messages"][0]["content"]
    facts = [("fox", "eats", "owl"), ("owl", "sees", "fox"), ("rain", "is", "wet")]
    server.says("[3, 1, 9]")
    assert recognition(model)("What rains?", facts) == [facts[2], facts[0]]
    server.says("none of them")
    assert recognition(model)("What rains?", facts) == []


def test_a_language_model_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="is no language model"):
        LanguageModel.of("gpt", SystemRequest("toy"))
