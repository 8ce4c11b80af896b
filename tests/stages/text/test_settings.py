import pytest

from stages.shared.errors import ConfigError
from stages.text.settings import DedupSettings, RepetitionSettings, match_probability


@pytest.mark.parametrize(
    ("buckets", "hashes", "similarity", "expected"),
    [(450, 20, 0.75, 0.7605), (450, 20, 0.8, 0.9946), (14, 8, 0.7, 0.5645), (14, 8, 0.85, 0.9884), (20, 450, 0.95, 0)],
)
def test_match_probabilities_are_those_published(buckets: int, hashes: int, similarity: float, expected: float) -> None:
    assert match_probability(similarity, buckets, hashes) == pytest.approx(expected, abs=1e-4)


def test_the_swapped_numbers_of_the_paper_are_refused_with_the_right_ones() -> None:
    with pytest.raises(ConfigError, match=r"^dedup\.hashes_per_bucket = 450: must be.*450 buckets of 20 hashes"):
        DedupSettings(preset="custom", buckets=20, hashes_per_bucket=450)


def test_presets_and_own_numbers_do_not_mix() -> None:
    assert DedupSettings(preset="fineweb").shape == (14, 8)
    assert DedupSettings(preset="custom", buckets=93, hashes_per_bucket=15).shape == (93, 15)
    with pytest.raises(ConfigError, match="custom"):
        DedupSettings(preset="custom")
    with pytest.raises(ConfigError, match="custom"):
        DedupSettings(preset="fineweb", buckets=3)
    with pytest.raises(ConfigError, match="at most 14"):
        DedupSettings(preset="fineweb", bucket_units=15)


def test_blocks_of_simhash_must_leave_one_that_agrees() -> None:
    assert DedupSettings(method="simhash").num_tables == 4
    assert DedupSettings(method="simhash", simhash_blocks=6, bucket_units=20).num_tables == 20
    with pytest.raises(ConfigError, match="simhash_blocks = 3: must be more than the 3 bits"):
        DedupSettings(method="simhash", simhash_blocks=3)
    with pytest.raises(ConfigError, match="at most 10000 choices"):
        DedupSettings(method="simhash", simhash_blocks=64)
    with pytest.raises(ConfigError, match="at most 4, one a bucket"):
        DedupSettings(method="simhash", bucket_units=5)


def test_an_ngram_that_is_not_measured_has_no_limit() -> None:
    with pytest.raises(ConfigError, match=r"repetition\.top_ngrams = 5: must be a mapping whose keys are 2 to 4"):
        RepetitionSettings(top_ngrams={5: 0.1})
    assert RepetitionSettings(top_ngrams={}).top_ngrams == {}
