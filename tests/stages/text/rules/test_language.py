from pathlib import Path

import pytest
from datatrove.data import Document

from stages.shared.errors import DataError
from stages.text.rules.language import (
    PIECES,
    LanguageFilter,
    LanguageLabel,
    broken_rule,
    default_model,
    detect,
    sample,
)
from stages.text.settings import LanguageSettings
from tests.stages.text.real_pages import needs_pages, page_texts

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


def test_a_text_in_capitals_has_the_language_of_its_words() -> None:
    for text, language in ((ENGLISH, "en"), (GERMAN, "de")):
        assert judge(text.upper(), languages=(language,))[:2] == (None, language)
        assert judge(text.upper()) == judge(text.lower())
    assert sample("The NATO and the EU met in the USA.", 1_000) == "The NATO and the EU met in the USA."


def test_the_score_is_compared_with_the_limit_itself() -> None:
    score = judge(ENGLISH)[2]
    assert judge(ENGLISH, min_score=score)[0] is None
    assert judge(ENGLISH, min_score=min(1.0, score + 1e-4))[0] == ("low_score" if score < 1 else None)


@pytest.mark.parametrize("text", ["12345 67890", "\n\n", "", "..."])
def test_what_has_no_language_is_not_guessed(text: str) -> None:
    assert judge(text)[0] in ("low_score", "other_language")


def test_pieces_from_everywhere_are_looked_at() -> None:
    assert judge(ENGLISH * 30 + GERMAN * 300, sample_chars=1_000)[1] == "de"


def test_a_text_that_cannot_be_written_as_utf8_has_a_language_all_the_same() -> None:
    assert judge(f"\ud800 {ENGLISH} \udfff")[1] == "en"


def test_a_label_is_not_made_twice_and_a_page_without_one_gets_it() -> None:
    doc = Document(text=GERMAN, id="", metadata={"language": "en", "language_score": 0.9})
    assert LanguageFilter(LanguageSettings()).reason(doc) is None
    doc = Document(text=GERMAN, id="")
    assert LanguageFilter(LanguageSettings()).reason(doc) == "other_language"
    assert doc.metadata["language"] == "de"


def test_labels_drop_nothing() -> None:
    docs = [Document(text=text, id="") for text in (ENGLISH, GERMAN, "...")]
    labelled = list(LanguageLabel(LanguageSettings()).run(iter(docs)))
    assert [doc.metadata["language"] for doc in labelled[:2]] == ["en", "de"]
    assert len(labelled) == 3


def test_bloom_asks_each_language_for_its_own_score() -> None:
    bloom = LanguageSettings(preset="bloom", languages=None)
    assert [broken_rule("en", score, bloom) for score in (0.79, 0.8)] == ["low_score", None]
    assert [broken_rule("pt", score, bloom) for score in (0.59, 0.6)] == ["low_score", None]
    assert [broken_rule("sv", score, bloom) for score in (0.69, 0.7)] == ["low_score", None]


def test_a_sample_is_eight_pieces_from_the_first_character_to_the_last() -> None:
    text = "".join(chr(0x4E00 + number) for number in range(5_000))
    pieces = sample(text, 400).split(" ")
    assert [len(piece) for piece in pieces] == [50] * PIECES
    assert pieces[0] == text[:50]
    assert text.index(pieces[-1]) > 4_900
    assert sample("short  text\nas it is", 400) == "short text as it is"


@needs_pages
def test_the_sample_has_the_label_of_the_whole_text_on_real_pages() -> None:
    model, texts = default_model(), page_texts()
    chars = LanguageSettings().sample_chars
    equal = sum(detect(text, model, chars)[0] == detect(text, model, 10**9)[0] for text in texts)
    assert equal >= 0.997 * len(texts)


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_text("no model")
    for name in ("x.bin", "missing.bin"):
        with pytest.raises(DataError, match=rf"{name}.*Set language_model"):
            detect("text", tmp_path / name, 100)
