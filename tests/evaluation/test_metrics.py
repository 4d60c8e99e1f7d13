from __future__ import annotations

import pytest

from msa_bench.contracts import Answer, Question
from msa_bench.evaluation import metrics
from msa_bench.evaluation.normalisers import NORMALISERS, SQUAD


def question(*answers: str, gold: tuple[int, ...] = ()) -> Question:
    return Question("q", "?", answers, gold)


def test_case_punctuation_articles_and_spaces_do_not_count() -> None:
    assert SQUAD("  The Cat,\n sat on A mat. ") == "cat sat on mat"
    assert metrics.exact_match("the Eiffel-Tower!", "eiffeltower") == 1


def test_f1_is_the_harmonic_mean_over_words() -> None:
    # 2 common words, 4 given, 3 wanted
    assert metrics.f1("red green blue black", "red green white") == pytest.approx(2 * 2 / 7)
    assert metrics.f1("red red", "red") == pytest.approx(2 / 3)
    assert metrics.f1("black", "white") == 0


@pytest.mark.parametrize("closed", ["yes", "no", "noanswer"])
def test_yes_and_no_count_only_when_they_match_exactly(closed: str) -> None:
    assert metrics.f1(f"{closed} indeed", closed) == 0
    assert metrics.f1(closed, f"{closed} indeed") == 0
    assert metrics.f1(closed.title() + ".", closed) == 1


def test_the_best_of_several_answers_counts_for_em_and_f1_and_all_of_them_for_containment() -> None:
    scores = metrics.text_scores("Paris", ["London", "paris"])
    assert scores == {"em": 1.0, "f1": 1.0, "containment": 1.0, "string_match_all": 0.5}


def test_containment_ignores_case_and_reads_control_characters_as_spaces() -> None:
    assert metrics.string_match_all("it is\x00AB\nC1", ["ab c1", "zz"]) == 0.5


def test_a_question_without_answers_or_gold_has_no_scores() -> None:
    assert metrics.score(question(), Answer("q", "x", documents=(1,))) == {}


def test_retrieval_scores_compare_the_documents_used_with_the_gold_ones() -> None:
    scores = metrics.score(question("x", gold=(1, 2)), Answer("q", "x", documents=(1, 1, 7, 8)))
    assert scores["retrieval_precision"] == pytest.approx(1 / 3)
    assert scores["retrieval_recall"] == pytest.approx(1 / 2)
    assert scores["retrieval_f1"] == pytest.approx(2 / 5)
    assert not any(name.startswith("recall@") for name in scores)


def test_recall_at_k_follows_the_ranking() -> None:
    scores = metrics.score(question("x", gold=(1, 2)), Answer("q", "x", ranking=(2, 2, 3, 4, 5, 6, 1)))
    assert [scores[f"recall@{k}"] for k in metrics.RECALL_AT] == [0.5, 0.5, 1.0, 1.0]
    assert scores["retrieval_precision"] == 0


def test_a_system_that_does_not_retrieve_has_no_retrieval_score() -> None:
    assert set(metrics.score(question("x", gold=(1,)), Answer("q", "x"))) == {
        "em", "f1", "containment", "string_match_all"
    }  # fmt: skip


def test_containment_wants_whole_words_in_a_row() -> None:
    assert metrics.containment("He was born in the city of New York, USA.", "New York") == 1
    assert metrics.containment("He was born in Newark.", "New") == 0
    assert metrics.containment("York is not new", "New York") == 0
    assert metrics.containment("anything", "the") == 0


def test_chinese_is_compared_by_characters_and_other_words_whole() -> None:
    chinese = NORMALISERS["characters"]
    assert chinese.words("北京，ＩＰv6 是 2020年。") == ["北", "京", "ipv6", "是", "2020", "年"]
    # 2 common characters, 4 given, 2 wanted
    assert metrics.f1("中国北京", "北京！", chinese) == pytest.approx(2 * 2 / 6)
    assert metrics.f1("中国北京", "北京") == 0
    assert metrics.containment("在中国北京市", "北京", chinese) == 1
    assert metrics.exact_match("北 京。", "北京", chinese) == 1


def test_a_substitute_is_as_good_as_the_gold_document_and_counts_once() -> None:
    asked = Question("q", "?", ("x",), (1, 2), substitutes={1: (5, 6)})
    scores = metrics.score(asked, Answer("q", "x", documents=(5, 6, 9), ranking=(5, 6, 9, 2)))
    assert scores["retrieval_recall"] == pytest.approx(1 / 2)
    assert scores["retrieval_precision"] == pytest.approx(2 / 3)
    assert scores["retrieval_f1"] == pytest.approx(4 / 7)
    assert [scores[f"recall@{k}"] for k in (1, 5)] == [0.5, 1.0]


def test_ndcg_is_that_of_trec_eval_worked_by_hand() -> None:
    # Gains 0, 2, 1 at ranks 1, 2, 3; the best order of the grades 2, 1, 1 would be those at ranks 1, 2, 3.
    asked = Question("q", "?", (), relevance={1: 2, 2: 1, 3: 1})
    scores = metrics.score(asked, Answer("q", "", ranking=(9, 1, 2)))
    assert scores["ndcg@10"] == pytest.approx((2 / 1.5849625 + 1 / 2) / (2 + 1 / 1.5849625 + 1 / 2))


def test_pieces_of_one_graded_document_are_ranked_as_that_document_alone() -> None:
    asked = Question("q", "?", (), substitutes={1: (2,)}, relevance={1: 1, 5: 1})
    twice = metrics.score(asked, Answer("q", "", ranking=(2, 1, 5)))
    assert twice["ndcg@10"] == pytest.approx(1)


def test_what_comes_after_the_tenth_rank_does_not_count_for_ndcg() -> None:
    asked = Question("q", "?", (), relevance={1: 3})
    assert metrics.score(asked, Answer("q", "", ranking=(*range(10, 20), 1)))["ndcg@10"] == 0
    assert "ndcg@10" not in metrics.score(asked, Answer("q", "", documents=(1,)))
