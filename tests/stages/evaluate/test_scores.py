import math
import random
from typing import Any

import pytest

from stages.evaluate.scores import Group, chance, collect_outcomes, collect_scores, interval
from stages.shared.statistics import wilson


def results(pairs: list[tuple[float, int]], metric: str, value: float) -> dict[str, Any]:
    return {
        "results": {"t": {f"{metric},none": value, f"{metric}_stderr,none": "N/A", "alias": "t", "sample_len": 3}},
        "higher_is_better": {"t": {metric: False}},
        "n-samples": {"t": {"effective": len(pairs)}},
        "samples": {
            "t": [
                {"filter": "none", "doc_hash": str(n), "metrics": [metric], metric: pair}
                for n, pair in enumerate(pairs)
            ]
        },
    }


def test_a_perplexitys_standard_error_is_that_of_resampled_documents() -> None:
    draw = random.Random(0)
    pairs = [(-tokens * draw.gauss(2.0, 0.2), tokens) for tokens in (draw.randint(50, 400) for _ in range(150))]

    def perplexity(sample: list[tuple[float, int]]) -> float:
        return math.exp(-sum(logprob for logprob, _ in sample) / sum(tokens for _, tokens in sample))

    again = [perplexity(draw.choices(pairs, k=len(pairs))) for _ in range(3000)]
    mean = sum(again) / len(again)
    bootstrap = math.sqrt(sum((value - mean) ** 2 for value in again) / len(again))
    (score,) = collect_scores(results(pairs, "token_perplexity", perplexity(pairs)), {}, {})
    assert score.stderr == pytest.approx(bootstrap, rel=0.1)
    assert (score.samples, score.higher_is_better, score.chance) == (150, False, None)


def test_bits_per_byte_has_its_error_in_bits() -> None:
    pairs = [(-10.0, 10), (-30.0, 10)]
    (score,) = collect_scores(results(pairs, "bits_per_byte", 2 / math.log(2)), {}, {})
    assert score.stderr == pytest.approx(1 / math.log(2))  # rates 1 and 3: a standard error of 1 nat a byte


def test_one_document_has_no_standard_error() -> None:
    (score,) = collect_scores(results([(-10.0, 10)], "word_perplexity", math.e), {}, {})
    assert score.stderr is None


def test_chance_is_the_mean_over_questions() -> None:
    assert chance([2, 4]) == 0.375
    assert chance([]) is None


def right(number: int, of: int) -> dict[str, Any]:
    values = [1.0] * number + [0.0] * (of - number)
    share, plain = number / of, results([], "acc", number / of)
    plain["results"]["t"]["acc_stderr,none"] = math.sqrt(share * (1 - share) / (of - 1))
    plain["samples"]["t"] = [
        {"filter": "none", "doc_hash": str(place), "metrics": ["acc"], "acc": value}
        for place, value in enumerate(values)
    ]
    return plain


def test_none_right_of_eight_has_an_interval_that_holds_chance() -> None:
    (score,) = collect_scores(right(0, 8), {"t": 0.25}, {})
    assert (score.value, score.stderr) == (0.0, 0.0)
    assert (score.low, score.high) == (0.0, pytest.approx(0.32441, abs=1e-5))


def test_a_share_has_wilsons_interval() -> None:
    (score,) = collect_scores(right(81, 263), {}, {})
    assert (score.low, score.high) == (
        pytest.approx(0.2553, abs=1e-4),
        pytest.approx(0.3662, abs=1e-4),
    )  # Newcombe 1998


def test_a_group_has_the_chance_and_the_interval_of_its_questions() -> None:
    plain = right(2, 8)
    for name, number in (("u", 1), ("v", 2)):
        plain["samples"][name] = right(number, 4)["samples"]["t"]
    plain["results"]["g"] = {"acc,none": 5 / 16, "acc_stderr,none": 0.1, "sample_len": 16}
    chances = {"t": 0.25, "u": 0.25, "v": 0.5}
    for by_size, level in ((True, (8 * 0.25 + 4 * 0.25 + 4 * 0.5) / 16), (False, 1 / 3)):
        groups = {"g": Group(tasks=("t", "u", "v"), by_size={"acc": by_size})}
        found = {score.task: score for score in collect_scores(plain, chances, groups)}["g"]
        assert found.chance == pytest.approx(level)
        assert (found.low, found.high) == (wilson(5 / 16, 16) if by_size else interval(5 / 16, 0.1, ()))
    assert collect_scores(plain, {"t": 0.25}, groups)[0].chance is None, "a member without chance"


def test_a_value_that_is_no_share_has_the_normal_interval_and_one_without_an_error_none() -> None:
    assert interval(12.0, 1.0, ()) == (pytest.approx(10.04, abs=0.01), pytest.approx(13.96, abs=0.01))
    assert interval(12.0, None, ()) == (None, None)
    assert interval(0.5, 0.4, (0.25, 0.75)) == (0.0, 1.0)


def test_questions_that_are_equal_keep_names_of_their_own() -> None:
    plain = right(1, 2)
    for sample in plain["samples"]["t"]:
        sample["doc_hash"] = "same"
    assert collect_outcomes(plain)["t"].items == ("same", "same~2")
