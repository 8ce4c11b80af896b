"""Arguments of a task when it starts: results take the place of references, names of files become artefacts.

Texts of results are put in once and never read again: a reference in one stays text. A file is one that the request
brings or that a task made: no path is opened and no URL is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from stages.conductor.plans import FILE_ARGUMENTS, MAX_ARGUMENT, REFERENCE, PlannedTask, references
from stages.formats.chat.rejects import Reject
from stages.formats.conducted.records import Delegated

_NUMBER = re.compile(r"(?<![A-Za-z0-9_.,])(?:(?<!\S)-)?[0-9]+(?:[.,][0-9]+)*(?![A-Za-z0-9_])")
WORDS: Mapping[str, str] = {
    **{word: str(n) for n, word in enumerate(("one", "two", "three", "four", "five", "six"), start=1)},
    **{word: str(n) for n, word in enumerate(("seven", "eight", "nine", "ten", "eleven", "twelve"), start=7)},
    **{word: str(n) for n, word in enumerate("一二三四五六七八九十", start=1)},
    "两": "2",
}
_ENGLISH = "|".join(word for word in WORDS if word.isascii())
_WORD = re.compile(rf"\b(?:{_ENGLISH})\b|[一二两三四五六七八九十]", re.IGNORECASE)
_SUFFIXES: Mapping[str, frozenset[str]] = {
    "image": frozenset(("png", "jpg", "webp", "gif", "bmp", "tiff")),
    "audio": frozenset(("wav", "mp3", "flac", "ogg")),
    "video": frozenset(("mp4", "webm", "gif")),
}


def resolved(
    task: PlannedTask, given: Mapping[str, str], results: Mapping[int, Delegated]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the arguments that are texts and those that are artefacts.

    `given` has the artefacts of the request by name. Raises Reject(`bad_argument`, why).
    """
    texts: dict[str, str] = {}
    files: dict[str, str] = {}
    for name, text in task.args.items():
        if name in FILE_ARGUMENTS:
            files[name] = _file(name, text, given, results)
        else:
            texts[name] = _text(task.task, name, text, results)
    return texts, files


def _text(task: str, name: str, text: str, results: Mapping[int, Delegated]) -> str:
    def result_of(found: re.Match[str]) -> str:
        need = results.get(int(found[1] or found[2]))
        if need is None:  # a reference to a later task, which the plan's repair has dropped
            return found[0]
        text = need.result.text or ", ".join(need.result.files)
        return _number(text) if task == "calculator" else text

    whole = REFERENCE.sub(result_of, text)
    if len(whole) > MAX_ARGUMENT:
        raise Reject("bad_argument", f"{name} has {len(whole)} characters, at most {MAX_ARGUMENT}")
    return whole


def _number(text: str) -> str:
    """Return the only number of a result, as a sum needs it, in digits or as a word up to twelve.

    The result itself if it has none or several.
    """
    found = _NUMBER.findall(text) or [WORDS[word.lower()] for word in _WORD.findall(text)]
    return found[0] if len(found) == 1 else text


def _file(name: str, text: str, given: Mapping[str, str], results: Mapping[int, Delegated]) -> str:
    numbers = references(text)
    if not numbers:
        plain = text.strip()
        found = given.get(plain) or given.get(PurePosixPath(plain).name if plain.startswith("/") else plain)
        if found is None:
            raise Reject("bad_argument", f"{name} {text[:200]!r} is no file of this request; nothing is fetched")
        return found
    if len(numbers) > 1 or numbers[0] not in results:
        raise Reject("bad_argument", f"{name} {text[:200]!r} names no single result of an earlier task")
    fit = _SUFFIXES.get(name)
    made = [each for each in results[numbers[0]].result.files if fit is None or each.rpartition(".")[2] in fit]
    if not made:
        raise Reject("bad_argument", f"task {numbers[0]} made no {name}")
    return made[0]
