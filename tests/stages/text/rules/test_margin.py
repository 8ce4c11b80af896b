import pytest

from stages.text.rules.filters import broken_rule
from stages.text.rules.margin import used_margin
from stages.text.rules.measures import measure
from stages.text.settings import QualitySettings, RepetitionSettings
from tests.stages.text.hostile import texts
from tests.stages.text.real_pages import needs_pages, page_texts


def margin_of(text: str, **quality: object) -> float:
    return used_margin(measure(text, "en"), RepetitionSettings(), QualitySettings(**quality))


PROSE = (
    "The town of Alder lies between two rivers and has been known for its boats. In spring people come with their "
    "children to see the herons that nest below the old bridge, which nobody dares to mend. A loaf costs three coins "
    "at the market, but on feast days bakers give some away, so that even beggars have enough to eat by the fire. "
)


def test_the_used_margin_is_one_at_a_limit_and_more_beyond_it() -> None:
    row = measure(PROSE, "en")
    words = int(row["words"])
    assert margin_of(PROSE, min_words=words) == pytest.approx(1)
    assert margin_of(PROSE, min_words=words + 1) > 1
    assert margin_of(PROSE, max_words=words) == pytest.approx(1)
    assert margin_of(PROSE, min_words=10) < 1.0


def test_the_nearest_limit_gives_the_margin_of_a_page() -> None:
    margins = [margin_of(PROSE + " #" * signs, min_words=1) for signs in (0, 5, 6, 7)]
    assert margins == sorted(margins)
    assert margins[0] < margins[1] < margins[2] < 1 < margins[3]  # 64 words: 6.4 signs are a tenth
    assert margin_of(PROSE) > margins[0]  # few words: that is nearer


def test_missing_stop_words_use_up_the_margin() -> None:
    few = " ".join(word for word in PROSE.split() if word.lower() not in ("the", "be", "of", "and", "that", "have"))
    assert margin_of(few, min_stop_words=2) == 1.0
    assert broken_rule(measure(few, "en"), QualitySettings(min_stop_words=2)) is None


def test_every_text_has_a_margin() -> None:
    for text in texts(seed=9, count=200):
        for preset in ("gopher", "bloom"):
            found = used_margin(measure(text, "en"), RepetitionSettings(preset=preset), QualitySettings(preset=preset))
            assert found >= 0


@needs_pages
def test_pages_that_are_dropped_are_those_whose_margin_is_used_up() -> None:
    repetition, quality = RepetitionSettings(duplicate_lines=0.2), QualitySettings()
    for text in page_texts()[:300]:
        row = measure(text, "en")
        is_dropped = broken_rule(row, quality) is not None
        if is_dropped:
            assert used_margin(row, repetition, quality) > 1
