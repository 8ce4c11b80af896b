from dataclasses import replace
from typing import Any

import pytest

from stages.formats.results import Outcomes, Results, Score
from stages.report.parts.evaluation.comparison import compare, headline
from tests.stages.report.journey import evaluation_key, score


def results(source: str, *scores: Score, **key: Any) -> Results:
    return Results(key=evaluation_key(source, **key), scores=scores)


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


def test_a_level_of_chance_in_the_interval_of_a_score_is_unclear() -> None:
    nothing = score("t", "acc", 0.0, 0.0, chance=0.25, samples=8)
    (row,) = compare([results("final", replace(nothing, low=0.0, high=0.324))])[0].rows
    assert row.against_chance is not None
    assert row.against_chance.verdict == "unclear"


def test_two_checkpoints_on_the_same_questions_take_the_paired_test() -> None:
    first, second = ([1.0] * 600 + [0.0] * 400, [1.0] * 540 + [0.0] * 60 + [1.0] * 30 + [0.0] * 370)
    one, other = (
        replace(
            results(source, score("t", "acc", sum(values) / 1000, 0.0155)),
            outcomes={"t": Outcomes(items=tuple(map(str, range(1000))), values={"acc": tuple(values)})},
        )
        for source, values in (("final", first), ("untrained", second))
    )
    found = compare([one, other])[0].rows[1].against_untrained
    assert found is not None
    assert (found.value, found.verdict) == (pytest.approx(0.03), "better"), "unpaired, 0.03 is 1.4 standard errors"
    fewer = replace(other, outcomes={"t": Outcomes(items=("1",), values={"acc": (1.0,)})})
    unpaired = compare([one, fewer])[0].rows[1].against_untrained
    assert unpaired is not None
    assert unpaired.verdict == "unclear"


def test_prompts_that_were_cut_are_counted_beside_the_score() -> None:
    (row,) = compare([replace(results("final", score("t", "acc", 0.5, 0.1)), cut_requests=3)])[0].rows
    assert row.cut == 3


def test_another_protocol_is_another_comparison_and_is_named() -> None:
    acc = score("t", "acc", 0.5, 0.1)
    keys: list[dict[str, Any]] = [{}, {"num_fewshot": 5}, {"variant": "llama"}, {"limit": 40}, {"seed": 7}]
    found = compare([results("final", acc, **key) for key in keys])
    assert [comparison.protocol for comparison in found] == [
        "0-shot", "0-shot, first 40", "0-shot, llama", "0-shot, seed 7", "5-shot",
    ]  # fmt: skip


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
