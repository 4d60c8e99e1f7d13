from __future__ import annotations

import pytest

from msa_bench.paper import Value, paper


def test_the_tables_hold_the_papers_numbers() -> None:
    found = paper()
    assert found.table2["ms_marco"]["hipporag2"] == {1: 2.676, 5: 3.005, 10: 3.019}
    assert found.table2["average"]["msa"] == {None: 3.760}
    assert found.table3["qwen3-235b-rerank"][10] == 3.580
    assert found.table4["without_interleave"] == {
        "average": 3.497, "ms_marco": 3.175, "natural_questions": 3.485, "dureader": 4.076, "hotpotqa": 3.250,
    }  # fmt: skip
    assert found.bank_tokens["ms_marco"] == 7_340_000


@pytest.mark.parametrize("system", ["rag", "rag-rerank", "hipporag2", "msa"])
def test_an_average_of_table_2_is_that_of_its_nine_tasks(system: str) -> None:
    table = dict(paper().table2)
    average = table.pop("average")[system]
    assert len(table) == 9
    for passages, value in average.items():
        assert sum(row[system][passages] for row in table.values()) / 9 == pytest.approx(value, abs=0.001)


def test_a_point_of_a_figure_says_whether_it_was_read_off() -> None:
    assert paper().figure1["msa"][16 * 1024] == Value(4.023, exact=True)
    assert paper().figure1["msa"][1024**2] == Value(3.98, exact=False)
    assert list(paper().figure1["msa"])[-1] == 100 * 1024**2
    assert paper().figure4["qwen3-4b-instruct"][256 * 1024] == Value(0.4816, exact=True)
    assert len(paper().figure4) == 6


def test_every_claim_is_read_and_no_two_share_an_id() -> None:
    claims = paper().claims
    assert len({claim.id for claim in claims}) == len(claims) == 16
    (interleave,) = (claim for claim in claims if claim.id == "interleave")
    assert (interleave.value, interleave.direction) == (0.192, "at_least")
