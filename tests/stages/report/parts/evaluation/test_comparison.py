import pytest

from stages.formats.results import EvaluationKey, Results, Score
from stages.report.parts.evaluation.comparison import compare, headline
from tests.stages.report.journey import score


def results(source: str, *scores: Score) -> Results:
    key = EvaluationKey(checkpoint=source, source=source, task="t", num_fewshot=0, harness="h")
    return Results(key=key, scores=scores)


FINAL = results(
    "final", score("t", "acc", 0.9, 0.03, chance=0.25), score("t", "ppl", 3.0, None, higher_is_better=False)
)
UNTRAINED = results(
    "untrained", score("t", "acc", 0.3, 0.04, chance=0.25), score("t", "ppl", 9.0, 0.1, higher_is_better=False)
)


def test_the_error_of_a_difference_is_the_root_of_the_summed_squares() -> None:
    acc = compare([FINAL, UNTRAINED])[0]
    untrained, final = acc.rows
    assert (untrained.source, untrained.against_untrained) == ("untrained", None)
    assert final.against_untrained is not None
    assert final.against_untrained.value == pytest.approx(0.6)
    assert final.against_untrained.stderr == pytest.approx(0.05)
    assert final.against_untrained.verdict == "better"


def test_a_difference_below_two_standard_errors_is_unclear() -> None:
    acc = compare([FINAL, UNTRAINED])[0]
    assert [row.against_chance.verdict for row in acc.rows if row.against_chance] == ["unclear", "better"]


def verdict(found: list[Results]) -> str:
    """Return the verdict on the perplexity of the final model against the untrained one."""
    difference = compare(found)[1].rows[1].against_untrained
    assert difference is not None
    return difference.verdict


def test_lower_perplexity_is_better_and_without_an_error_nothing_is_clear() -> None:
    assert verdict([FINAL, UNTRAINED]) == "unclear"
    sure = results("final", score("t", "ppl", 3.0, 0.1, higher_is_better=False))
    assert verdict([sure, UNTRAINED]) == "better"
    assert compare([sure])[0].rows[0].against_untrained is None


def test_the_headline_is_the_trained_models_score_that_chance_is_known_for() -> None:
    found = headline(compare([UNTRAINED, FINAL]))
    assert found is not None
    assert (found[0].metric, found[1].source) == ("acc", "final")
    assert headline(compare([UNTRAINED])) is None
    assert headline([]) is None
