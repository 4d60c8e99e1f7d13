"""llama.cpp's own server with the SmolLM2 weights on loopback, held to replies of one digit from 0 to 5.

    python llama_server.py FILE.gguf

prints the URL of its API and serves until it is ended.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GRADE = "root ::= [0-5]"


@contextmanager
def llama_server(gguf: Path) -> Iterator[str]:
    """The URL of a server in a process of its own, which ends with the block."""
    command = [sys.executable, __file__, str(gguf)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            urls = (line.strip() for line in process.stdout)
            url = next((line for line in urls if line.startswith("http://127.0.0.1:")), None)
            assert url is not None, "llama.cpp's server did not start"
            yield url
        finally:
            process.kill()


def main() -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    params.n_ctx, params.n_parallel, params.n_gpu_layers = 8192, 4, 0
    # One thread: several wait for each other, and so starve beside other tests.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.hostnames, params.port, params.ui = ["127.0.0.1"], 0, False
    user = xllamacpp.common_grammar_type.COMMON_GRAMMAR_TYPE_USER
    params.sampling.grammar = xllamacpp.CommonGrammar(user, GRADE)
    server = xllamacpp.Server(params)
    print(f"{server.listening_address}/v1", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
