import math
import random
from typing import Any

import pytest

from stages.evaluate.scores import chance, collect_scores


def results(pairs: list[tuple[float, int]], metric: str, value: float) -> dict[str, Any]:
    return {
        "results": {"t": {f"{metric},none": value, f"{metric}_stderr,none": "N/A", "alias": "t", "sample_len": 3}},
        "higher_is_better": {"t": {metric: False}},
        "n-samples": {"t": {"effective": len(pairs)}},
        "samples": {"t": [{"filter": "none", metric: pair} for pair in pairs]},
    }


def test_a_perplexitys_standard_error_is_that_of_resampled_documents() -> None:
    draw = random.Random(0)
    pairs = [(-tokens * draw.gauss(2.0, 0.2), tokens) for tokens in (draw.randint(50, 400) for _ in range(150))]

    def perplexity(sample: list[tuple[float, int]]) -> float:
        return math.exp(-sum(logprob for logprob, _ in sample) / sum(tokens for _, tokens in sample))

    again = [perplexity(draw.choices(pairs, k=len(pairs))) for _ in range(3000)]
    mean = sum(again) / len(again)
    bootstrap = math.sqrt(sum((value - mean) ** 2 for value in again) / len(again))
    (score,) = collect_scores(results(pairs, "token_perplexity", perplexity(pairs)), {})
    assert score.stderr == pytest.approx(bootstrap, rel=0.1)
    assert (score.samples, score.higher_is_better, score.chance) == (150, False, None)


def test_bits_per_byte_has_its_error_in_bits() -> None:
    pairs = [(-10.0, 10), (-30.0, 10)]
    (score,) = collect_scores(results(pairs, "bits_per_byte", 2 / math.log(2)), {})
    assert score.stderr == pytest.approx(1 / math.log(2))  # rates 1 and 3: a standard error of 1 nat a byte


def test_one_document_has_no_standard_error() -> None:
    (score,) = collect_scores(results([(-10.0, 10)], "word_perplexity", math.e), {})
    assert score.stderr is None


def test_chance_is_the_mean_over_questions() -> None:
    assert chance([2, 4]) == 0.375
    assert chance([]) is None
