import pytest

from stages.web.measures import measure
from stages.web.quality import broken_rule
from stages.web.settings import QualitySettings, RepetitionSettings
from stages.web.strain import strain
from tests.stages.web.hostile import texts
from tests.stages.web.real_pages import needs_pages, page_texts


def strain_of(text: str, **quality: object) -> float:
    return strain(measure(text, "en"), RepetitionSettings(), QualitySettings(**quality))


PROSE = (
    "The town of Alder lies between two rivers and has been known for its boats. In spring people come with their "
    "children to see the herons that nest below the old bridge, which nobody dares to mend. A loaf costs three coins "
    "at the market, but on feast days bakers give some away, so that even beggars have enough to eat by the fire. "
)


def test_strain_is_one_at_a_limit_and_more_beyond_it() -> None:
    row = measure(PROSE, "en")
    words = int(row["words"])
    assert strain_of(PROSE, min_words=words) == pytest.approx(1)
    assert strain_of(PROSE, min_words=words + 1) > 1
    assert strain_of(PROSE, max_words=words) == pytest.approx(1)
    assert strain_of(PROSE, min_words=10) < 1.0


def test_a_page_is_strained_by_its_nearest_limit() -> None:
    strains = [strain_of(PROSE + " #" * signs, min_words=1) for signs in (0, 5, 6, 7)]
    assert strains == sorted(strains)
    assert strains[0] < strains[1] < strains[2] < 1 < strains[3]  # 64 words: 6.4 signs are a tenth
    assert strain_of(PROSE) > strains[0]  # few words: that is nearer


def test_missing_stop_words_strain() -> None:
    few = " ".join(word for word in PROSE.split() if word.lower() not in ("the", "be", "of", "and", "that", "have"))
    assert strain_of(few, min_stop_words=2) == 1.0
    assert broken_rule(measure(few, "en"), QualitySettings(min_stop_words=2)) is None


def test_every_text_has_a_strain() -> None:
    for text in texts(seed=9, count=200):
        for preset in ("gopher", "bloom"):
            found = strain(measure(text, "en"), RepetitionSettings(preset=preset), QualitySettings(preset=preset))
            assert found >= 0


@needs_pages
def test_pages_that_are_dropped_are_those_with_a_strain_above_one() -> None:
    repetition, quality = RepetitionSettings(duplicate_lines=0.2), QualitySettings()
    for text in page_texts()[:300]:
        row = measure(text, "en")
        is_dropped = broken_rule(row, quality) is not None
        if is_dropped:
            assert strain(row, repetition, quality) > 1
