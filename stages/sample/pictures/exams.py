"""Exams on pictures as tasks of lm-eval: options, yes or no, free answers and captions, in each language.

A row names its picture by key; the picture stands before the question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from stages.sample.config import LANGUAGES, Language
from stages.sample.draw import Draw
from stages.sample.exams import CHOICE, exam_files, generated, of_rows
from stages.sample.generate import write_lines
from stages.sample.instructions import DELIMITERS
from stages.sample.pictures.captions import DESCRIBE, caption, wanted
from stages.sample.pictures.chats import Shown
from stages.sample.pictures.config import CAPTIONS_EXAM, FREE, WHETHER_EXAM, choice_exam, free_exam
from stages.sample.pictures.questions import ASPECTS, Asked, Aspect, Question, asked, choice, free, whether
from stages.sample.pictures.scenes import ANIMALS, COLOURS, FEW
from stages.sample.pictures.words import number_words, word

MOST_ROWS = 200
MAX_TOKENS = 48
"""Longest free answer."""
Row = dict[str, Any]


def write_exams(folder: Path, shown: Sequence[Shown], seed: int) -> None:
    """Write the rows and the definition of every exam."""
    made: dict[str, tuple[list[Row], Row]] = {}
    for language in LANGUAGES:
        for aspect in ASPECTS:
            made[choice_exam(aspect, language)] = _choices(shown, seed, aspect, language), CHOICE
        for aspect in FREE:
            scored = _free_answers(_pattern(aspect, language))
            made[free_exam(aspect, language)] = _frees(shown, seed, aspect, language), scored
        made[f"{WHETHER_EXAM}_{language}"] = _whethers(shown, seed, language), CHOICE
        made[f"{CAPTIONS_EXAM}_{language}"] = _captions(shown, seed, language), _DESCRIBED
    for name, (rows, scored) in made.items():
        definition, lines = exam_files(name)
        head = {**of_rows(name), "doc_to_image": ["picture"], "doc_to_text": "{{question}}"}
        value = {**head, **scored, "target_delimiter": DELIMITERS[name.rpartition("_")[2]]}
        write_lines(folder / lines, rows)
        (folder / definition).write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _about(shown: Sequence[Shown], aspect: Aspect, most: int = MOST_ROWS) -> Iterator[tuple[Shown, Asked, int]]:
    """Yield up to `most` pictures with what they answer of an aspect, evenly from all."""
    found = [
        (each, about, number)
        for each in shown
        for number, about in enumerate(asked(each.scene, each.is_grey))
        if about.aspect == aspect
    ]
    count = min(most, len(found))
    yield from (found[place * len(found) // count] for place in range(count))


def _choices(shown: Sequence[Shown], seed: int, aspect: Aspect, language: Language) -> list[Row]:
    return [
        _row(each, f"{aspect}-{number}", choice(about, language, Draw("choice", seed, each.key, language, number)))
        for each, about, number in _about(shown, aspect)
    ]


def _frees(shown: Sequence[Shown], seed: int, aspect: Aspect, language: Language) -> list[Row]:
    return [
        _row(each, f"{aspect}-{number}", free(about, language, Draw("free", seed, each.key, language, number)))
        for each, about, number in _about(shown, aspect)
    ]


def _whethers(shown: Sequence[Shown], seed: int, language: Language) -> list[Row]:
    """Return questions of yes or no, half of them about animals and half about colours."""
    rows = []
    aspects: tuple[Aspect, ...] = ("animal", "colour")
    for aspect in aspects:
        for each, about, number in _about(shown, aspect, MOST_ROWS // 2):
            question = whether(about, language, Draw("whether", seed, each.key, language, number))
            rows.append({**_row(each, f"{aspect}-{number}", question), "asks": question.asks})
    return rows


def _row(shown: Shown, name: str, question: Question) -> Row:
    row: Row = {
        "id": f"{shown.number:06d}-{name}",
        "picture": shown.key,
        "question": question.text,
        "value": question.value,
        "scene": type(shown.scene).__name__.lower(),
    }
    if question.options:
        row |= {"choices": list(question.options), "answer": question.options.index(question.value)}
    return row


def _captions(shown: Sequence[Shown], seed: int, language: Language) -> list[Row]:
    found = [each for each in shown if not each.is_grey][:MOST_ROWS]
    return [
        {
            "id": f"{each.number:06d}-caption",
            "picture": each.key,
            "question": DESCRIBE[language][0],
            "value": caption(each.scene, each.is_grey, language, Draw("caption", seed, each.key, language)),
            "words": wanted(each.scene, language),
            "scene": type(each.scene).__name__.lower(),
        }
        for each in found
    ]


def _pattern(aspect: Aspect, language: Language) -> str:
    """Return the pattern of all values of an aspect."""
    if aspect == "count":
        words = list(number_words(language))[: FEW if language == "en" else 2 * FEW]
    else:
        words = [word(each, language) for each in (COLOURS if aspect == "colour" else ANIMALS)]
    alternatives = "|".join(words)
    return rf"\b({alternatives})\b" if language == "en" else f"({alternatives})"


_GENERATED = generated(MAX_TOKENS)
_EXACT: Row = {"metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}]}
_DESCRIBED: Row = {**_GENERATED, **_EXACT}


def _free_answers(pattern: str) -> Row:
    """Return how free answers are scored: by the value that the answer names last."""
    regex = {"function": "regex", "regex_pattern": pattern, "group_select": -1}
    return {**_GENERATED, "filter_list": [{"name": "named", "filter": [regex, {"function": "take_first"}]}], **_EXACT}
