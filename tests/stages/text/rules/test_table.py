import subprocess
import sys
from pathlib import Path

from stages.text.bloom_limits import Limits
from stages.text.rules.counts import COUNTS
from stages.text.rules.rule import rules
from stages.text.rules.table import QUALITY, REPETITION
from stages.text.settings import QualitySettings, RepetitionSettings


def test_every_row_names_measures_settings_and_columns_that_exist() -> None:
    for row, settings in [(row, RepetitionSettings) for row in REPETITION] + [
        (row, QualitySettings) for row in QUALITY
    ]:
        assert {*row.measures(False), *row.measures(True)} <= {*COUNTS, None}, row.reason
        assert {row.setting, row.opposite[0]} <= {*settings.model_fields, ""}, row.reason
        assert {row.bloom, row.opposite[1]} <= {*Limits._fields, ""}, row.reason
        assert row.setting or row.bloom, row.reason
        assert row.explanation and row.source, row.reason


def test_every_limit_in_the_settings_has_a_row() -> None:
    of_page = {"preset", "counting", "stop_words"}
    for rows, settings in ((REPETITION, RepetitionSettings), (QUALITY, QualitySettings)):
        limits = {name for row in rows for name in (row.setting, f"{row.setting}_of") if name in settings.model_fields}
        assert limits == set(settings.model_fields) - of_page


def reasons(settings: RepetitionSettings | QualitySettings, language: str, is_unspaced: bool) -> list[str]:
    return [rule.name for rule in rules(settings, language, is_unspaced)]


def test_the_preset_and_the_script_choose_the_rules() -> None:
    gopher, bloom = QualitySettings(), QualitySettings(preset="bloom")
    spaced = reasons(gopher, "en", False)
    assert spaced == [row.reason for row in QUALITY if row.setting]
    off = {"short_words", "long_words", "few_stop_words"}
    of_bloom = ["special_characters", "few_function_words"]
    assert reasons(gopher, "zh", True) == [name for name in spaced if name not in off] + of_bloom
    assert reasons(bloom, "en", False) == ["too_few_words", "too_many_words", *of_bloom]
    blocks = [row.reason for row in REPETITION[:4]]
    assert reasons(RepetitionSettings(), "zh", True) == [*blocks, "repeated_characters", "repeated_words"]
    assert reasons(RepetitionSettings(top_ngrams={}, duplicate_ngrams={7: 0.1}), "en", False) == [
        *blocks,
        "duplicate_7_gram",
    ]


def test_the_most_words_of_a_page_in_characters_are_blooms_where_those_are_more() -> None:
    (few, many) = rules(QualitySettings(), "zh", True)[:2]
    assert (few.limit, many.limit) == (50, 1_000_000)
    assert rules(QualitySettings(max_words=2_000_000), "zh", True)[1].limit == 2_000_000
    assert rules(QualitySettings(), "zh", False)[1].limit == 100_000


def test_blooms_word_ngram_depends_on_the_language() -> None:
    bloom = RepetitionSettings(preset="bloom")
    assert [rules(bloom, language, False)[1].amount for language in ("en", "ur")] == ["recurring_5", "recurring_7"]


def test_the_table_imports_no_numpy() -> None:
    probe = "import sys, stages.text.rules.table, stages.text.reasons; sys.exit('numpy' in sys.modules)"
    root = Path(__file__).parents[4]
    assert subprocess.run([sys.executable, "-c", probe], cwd=root, check=False).returncode == 0
