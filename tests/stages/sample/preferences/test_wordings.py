"""Texts of the comparisons: each has the manners and the length that its list says, and names no value."""

from __future__ import annotations

import re

from stages.sample.chinese import VALUES
from stages.sample.config import LANGUAGES
from stages.sample.preferences.wordings import (
    COMPLIANCES,
    ENDS,
    NEGATED,
    OPENINGS,
    POLITE,
    REFUSALS,
    REFUSED,
    REQUESTS,
    RUDE,
)
from stages.sample.world import ATTRIBUTES


def test_manners_and_refusals_are_known_by_their_patterns_and_by_no_other() -> None:
    for language in LANGUAGES:
        for manners, openings in OPENINGS[language].items():
            for opening in openings:
                assert bool(re.search(POLITE[language], opening.lower())) == (manners == "polite")
                assert bool(re.search(RUDE[language], opening.lower())) == (manners == "rude")
        for refusal in REFUSALS[language]:
            assert re.search(REFUSED[language], refusal.lower())
        for text in (*COMPLIANCES[language], *ENDS[language]):
            assert not re.search(f"{REFUSED[language]}|{POLITE[language]}|{RUDE[language]}", text.lower())
        assert not any(re.search(NEGATED[language], end.lower()) for end in ENDS[language])


def test_no_text_but_a_request_names_a_value_or_has_a_digit() -> None:
    values = {value for names in ATTRIBUTES.values() for value in names}
    values |= {value for names in VALUES.values() for value in names.values()}
    pattern = "|".join(rf"\b{value}\b" if value.isascii() else value for value in values)
    for language in LANGUAGES:
        manners = [opening for openings in OPENINGS[language].values() for opening in openings]
        for text in (*manners, *ENDS[language], *REFUSALS[language], *COMPLIANCES[language]):
            assert not re.search(rf"{pattern}|\d", text.lower()), text
        assert len(set(REQUESTS[language])) == 6
