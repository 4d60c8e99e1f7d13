from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from msa_bench.memory.cores import each_on_a_core

CPU = torch.device("cpu")


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_pieces(threads: int) -> None:
    assert list(each_on_a_core(lambda piece: piece**2, range(20), CPU)) == [piece**2 for piece in range(20)]


def test_every_core_works_alone_and_the_thread_count_stays(threads: int) -> None:
    assert set(each_on_a_core(lambda piece: torch.get_num_threads(), range(20), CPU)) == {1}
    assert torch.get_num_threads() == threads
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [threads]


def test_a_failing_piece_raises_and_the_rest_is_not_begun(threads: int) -> None:
    begun: list[int] = []

    def work(piece: int) -> None:
        begun.append(piece)
        if piece == 2:
            raise OSError("broken")
        time.sleep(0.001)  # or all might be done before the first is asked for

    with pytest.raises(OSError, match="broken"):
        list(each_on_a_core(work, range(10_000), CPU))
    assert len(begun) < 10_000
    assert torch.get_num_threads() == threads
