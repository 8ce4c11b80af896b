import pytest
from datatrove.data import Document
from datatrove.pipeline.filters.gopher_repetition_filter import GopherRepetitionFilter

from stages.sample.draw import Draw
from stages.sample.kinds import REPETITION
from stages.sample.prose import article
from stages.sample.spam import spam
from stages.sample.world import make_world
from stages.web import words
from stages.web.repetition import RepetitionFilter
from stages.web.settings import RepetitionSettings

OFF = {"duplicate_lines": 1, "duplicate_line_chars": 1, "duplicate_paragraphs": 1, "duplicate_paragraph_chars": 1}
NO_NGRAMS = {"top_ngrams": {}, "duplicate_ngrams": {}}


def reason(text: str, **settings: object) -> str | None:
    return RepetitionFilter(RepetitionSettings(**settings)).reason(Document(text=text, id=""))


def test_lines_are_counted_from_their_second_time_on() -> None:
    three_of_ten = "\n".join(["same"] * 4 + [f"line {letter} is longer than the others" for letter in "abcdef"])
    four_of_ten = "\n".join(["same"] * 5 + [f"line {letter} is longer than the others" for letter in "abcde"])
    assert reason(three_of_ten, **NO_NGRAMS) is None
    assert reason(four_of_ten, **NO_NGRAMS) == "duplicate_lines"


def test_the_characters_of_repeated_lines_are_divided_by_those_of_the_page() -> None:
    text = "\n".join(["x" * 21, "x" * 21, *[str(number) * 8 for number in range(6)]])
    share = 21 / len(text)
    assert reason(text, **NO_NGRAMS, duplicate_line_chars=share) is None
    assert reason(text, **NO_NGRAMS, duplicate_line_chars=share - 1e-6) == "duplicate_line_chars"


def test_paragraphs_are_what_empty_lines_divide() -> None:
    text = "one\n\ntwo two two two\n\none\n\none"
    assert reason(text, **NO_NGRAMS) == "duplicate_paragraphs"
    assert reason(text, **{**NO_NGRAMS, **OFF}) is None
    assert reason("long " * 9 + "\n\n" + "long " * 9 + "\n\na\n\nb\n\nc", **NO_NGRAMS) == "duplicate_paragraph_chars"


def test_the_most_frequent_ngram_is_measured_with_its_spaces() -> None:
    text = "to be one to be two to be three"
    share = 3 * len("to be") / len(text)
    assert reason(text, **OFF, top_ngrams={2: share}, duplicate_ngrams={}) is None
    assert reason(text, **OFF, top_ngrams={2: share - 1e-6}, duplicate_ngrams={}) == "top_2_gram"


def test_repeated_ngrams_are_measured_without_their_spaces() -> None:
    text = "a b c d e x a b c d e"
    share = len("abcde") / len(text)
    assert reason(text, **OFF, top_ngrams={}, duplicate_ngrams={5: share}) is None
    assert reason(text, **OFF, top_ngrams={}, duplicate_ngrams={5: share - 1e-6}) == "duplicate_5_gram"


@pytest.mark.parametrize("text", ["a", "a b", "."])
def test_the_shortest_texts_are_judged_without_error(text: str) -> None:
    assert reason(text, top_ngrams={2: 1.0}) is None


def test_verdicts_are_those_of_datatrove_on_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "datatrove.pipeline.filters.gopher_repetition_filter.split_into_words",
        lambda text, language: list(words.tokens(text)),
    )
    theirs = GopherRepetitionFilter()
    names = {"dup_line_frac": "duplicate_lines", "dup_line_char_frac": "duplicate_line_chars"}
    names |= {f"duplicated_{n}_n_grams": f"duplicate_{n}_gram" for n in range(5, 11)}
    pages = [spam(Draw("spam", number), kind) for kind in REPETITION for number in range(20)]
    pages += [article(make_world(1), Draw("article", number)) for number in range(50)]
    for title, paragraphs in pages:
        text = "\n".join([title, *paragraphs])
        verdict = theirs.filter(Document(text=text, id=""))
        their_reason = verdict[1] if isinstance(verdict, tuple) else None
        assert reason(text) == names.get(str(their_reason), their_reason)
