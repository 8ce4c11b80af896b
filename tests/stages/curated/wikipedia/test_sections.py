"""Sections and lines: titles with their texts, and no trace of what was dropped."""

from __future__ import annotations

from stages.curated.wikipedia.sections import clean_lines, without_tails


def test_a_tail_takes_its_subsections_and_ends_with_the_next_section() -> None:
    text = "a\n== See also ==\nb\n=== c ===\nd\n== e ==\nf"
    assert clean_lines(without_tails(text, {"see also"})) == "a\n\ne\n\nf"


def test_a_title_above_a_section_with_text_stays() -> None:
    assert clean_lines(without_tails("== a ==\n=== b ===\n=== c ===\nd\n== e ==\n", ())) == "a\n\nc\n\nd"


def test_what_dropped_templates_leave_behind_is_mended() -> None:
    assert clean_lines("a  ( ; ) b (, c ,) .\n\n\n\n- \nd ,e\t f") == "a b (c).\n\nd ,e f"
