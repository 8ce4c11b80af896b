from pathlib import Path

import pytest
from datatrove.data import Document

from stages.shared.errors import DataError
from stages.web.language import LanguageFilter
from stages.web.settings import LanguageSettings

ENGLISH = "The town lies between two rivers, and its people have always built good boats."
GERMAN = "Die Stadt liegt zwischen zwei Flüssen, und ihre Bewohner bauen seit jeher gute Boote."


def judge(text: str, **settings: object) -> tuple[str | None, str, float]:
    doc = Document(text=text, id="")
    reason = LanguageFilter(LanguageSettings(**settings)).reason(doc)
    return reason, doc.metadata["language"], doc.metadata["language_score"]


def test_the_wanted_language_passes_and_others_do_not() -> None:
    assert judge(ENGLISH)[:2] == (None, "en")
    assert judge(GERMAN)[:2] == ("other_language", "de")
    assert judge(GERMAN, languages=("de", "fr"))[:2] == (None, "de")
    assert judge(GERMAN, languages=None)[:2] == (None, "de")


def test_the_score_is_compared_with_the_limit_itself() -> None:
    score = judge(ENGLISH)[2]
    assert judge(ENGLISH, min_score=score)[0] is None
    assert judge(ENGLISH, min_score=min(1.0, score + 1e-4))[0] == ("low_score" if score < 1 else None)


@pytest.mark.parametrize("text", ["12345 67890", "\n\n", "", "..."])
def test_what_has_no_language_is_not_guessed(text: str) -> None:
    assert judge(text)[0] in ("low_score", "other_language")


def test_pieces_from_everywhere_are_looked_at() -> None:
    assert judge(ENGLISH * 30 + GERMAN * 300, sample_chars=1_000)[1] == "de"


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_text("no model")
    for name in ("x.bin", "missing.bin"):
        with pytest.raises(DataError, match=rf"{name}.*web\.language_model"):
            LanguageFilter(LanguageSettings(), tmp_path / name).detect("text")
