import pytest

from tests.stages.web.scoring import score_articles, score_snippets, shingles

SAME = "one two three four five"


def test_a_text_is_cut_into_runs_of_four_words() -> None:
    assert dict(shingles("One, two three-four. Five")) == {
        ("One", "two", "three", "four"): 1,
        ("two", "three", "four", "Five"): 1,
    }
    assert dict(shingles("one")) == {("one",): 1}


def test_the_same_text_is_perfect_and_another_is_nothing() -> None:
    assert score_articles([(SAME, SAME)]) == (1.0, 1.0, 1.0)
    assert score_articles([("nothing of that kind here", SAME)]) == (0.0, 0.0, 0.0)


def test_precision_and_recall_are_averaged_over_pages() -> None:
    longer = SAME + " six"  # 3 runs, of which 2 belong
    found = score_articles([(longer, SAME), (SAME, longer)])
    assert found.precision == pytest.approx((2 / 3 + 1) / 2) and found.recall == pytest.approx((1 + 2 / 3) / 2)


def test_strings_are_counted_over_all_pages() -> None:
    found = score_snippets([("a b", ["a", "x"], ["b"]), ("c", ["c"], ["y"])])
    assert found.precision == pytest.approx(2 / 3) and found.recall == pytest.approx(2 / 3)
    assert score_snippets([]) == (0.0, 0.0, 0.0)
