"""Templates that carry words keep them; all others are nothing."""

from __future__ import annotations

import pytest

from stages.curated.wikipedia.templates import template_text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("nowrap|1=a = b", "a = b"),
        ("Lang|de|''Haus''", "''Haus''"),
        ("lang_x|y", ""),
        ("abbr|km|kilometre", "km"),
        ("transl|ar|DIN|kitab", "DIN"),
        ("quote|text=words|author=x", "words"),
        ("nihongo|Kyoto|京都|Kyōto", "Kyoto (京都, Kyōto)"),
        ("convert|3|to|5|m", "3 to 5 m"),
        ("as of|2020|5|lc=y", "as of 2020-5"),
        ("frac|3|1|2", "3 1/2"),
        ("ubl|a|b", "\n* a\n* b"),
        ("ndash", "–"),
        ("nowrap", ""),
        ("frac", ""),
        ("convert", ""),
        ("cite book|title=x", ""),
        ("", ""),
    ],
)
def test_words_of_a_template(content: str, text: str) -> None:
    assert template_text(content) == text
