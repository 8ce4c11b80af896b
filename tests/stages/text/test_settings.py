from typing import Any

import pytest
from pydantic import ValidationError

from stages.shared.errors import ConfigError
from stages.text.rules.language import LABEL, default_model, load_model
from stages.text.settings import (
    LANGUAGES,
    DedupSettings,
    LanguageSettings,
    QualitySettings,
    RepetitionSettings,
    check_languages,
    match_probability,
)


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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_words": 60, "max_words": 50}, r"quality\.min_words = 60: must be at most max_words, 50"),
        ({"min_word_chars": 11}, r"quality\.min_word_chars = 11\.0: must be at most max_word_chars, 10"),
        ({"min_word_chars_of": {"ko": 12}}, r"quality\.min_word_chars_of\.ko = 12\.0: must be at most"),
        ({"stop_words": {"en": []}}, r"quality\.stop_words\.en = \[\]: must be a list of at least min_stop_words, 2"),
        ({"stop_words": {"en": ["the"]}}, r"fewer drop every page"),
    ],
)
def test_limits_that_no_page_can_keep_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        QualitySettings(**settings)


@pytest.mark.parametrize("name", ["min_word_chars", "max_word_chars", "max_hashes_per_word", "max_ellipses_per_word"])
def test_no_measure_is_negative(name: str) -> None:
    with pytest.raises(ValidationError):
        QualitySettings(**{name: -1})


def test_the_languages_are_those_of_the_model() -> None:
    model = load_model(default_model())
    labels = {label.removeprefix(LABEL) for label in model.predict("the word of the house", k=-1, threshold=-1.0)[0]}
    assert labels == LANGUAGES


@pytest.mark.parametrize(
    ("code", "near"), [("EN", "'en'"), ("en-US", "'en'"), ("zh_CN", "'zh'"), ("eng", "'en'"), ("english", "known: af")]
)
def test_a_language_that_the_model_does_not_know_is_refused_with_the_nearest(code: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"languages = '{code}': must be a language code of the model.*{near}"):
        check_languages("languages", ["de", code])
    with pytest.raises(ValidationError):
        LanguageSettings(languages=())
