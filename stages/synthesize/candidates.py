"""Instructions that a teacher wrote in one answer, and the filters for them (arXiv:2212.10560, section 2.2)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stages.formats.chat.rejects import Reject
from stages.synthesize.config import AlpacaSettings, SelfInstructSettings
from stages.synthesize.instances import check_instance
from stages.synthesize.ready.turns import without_mark
from stages.synthesize.wording import Wording
from stages.synthesize.words import count_words, one_line
from stages.teacher.asking import answered
from stages.teacher.request import Answer

NUMBER = re.compile(r"(?:^|\n)\s*\d+\s*(?:[.)](?=\s|$)|[、．）])[ \t]*")


@dataclass(frozen=True)
class Candidate:
    """An instruction before it is judged; of Alpaca's variant a whole task."""

    instruction: str
    input: str = ""
    output: str = ""


Split = Callable[[Answer, Wording, int], Iterator[Candidate | Reject]]
"""Takes an answer, and the number of tasks in its prompt."""


def split_list(answer: Answer, wording: Wording, shown: int) -> Iterator[Candidate | Reject]:
    """Yield the instructions of a numbered list that continues the prompt's. A cut list is rejected as a whole."""
    try:
        text = answered(answer)
    except Reject as reject:
        yield reject
        return
    first, *others = NUMBER.split(text)
    if others and first.rstrip().endswith((":", "：")):
        yield Reject("introduction", first)
        first = ""
    yield from (Candidate(one_line(each)) for each in (first, *others) if each.strip())


def split_tasks(answer: Answer, wording: Wording, shown: int) -> Iterator[Candidate | Reject]:
    """Yield the whole tasks of an answer in Alpaca's form; the last one of a cut answer is rejected."""
    if answer.finish not in ("stop", "length") or not answer.text.strip():
        yield Reject("no_answer", f"{answer.finish}: {answer.text}")
        return
    names = "|".join(map(re.escape, wording.named("markers").values()))
    field = re.compile(rf"(?:^|\n)\s*\d+\s*[.．、]\s*(?:{names})\s*[:：]")
    text = answer.text.strip()
    if not field.match(text):  # it goes on where the prompt ended
        text = f"{shown + 1}. {wording.named('markers')['instruction']}: {text}"
    pieces = [piece for piece in text.split("###") if piece.strip()]
    for number, piece in enumerate(pieces, start=1):
        if number == len(pieces) and answer.finish == "length":
            yield Reject("cut_answer", piece)
            continue
        before, *fields = field.split(piece.strip())
        if before.strip() or len(fields) != 3:
            yield Reject("not_three_fields", piece)
            continue
        instruction, given, output = (each.strip() for each in fields)
        yield Candidate(one_line(instruction), without_mark(given), output)


def check(candidate: Candidate, settings: SelfInstructSettings | AlpacaSettings, wording: Wording) -> None:
    """Raise Reject for an instruction that a filter refuses."""
    text = candidate.instruction
    words = count_words(text)
    if words < settings.min_words:
        raise Reject("too_short", f"{words} words")
    if words > settings.max_words:
        raise Reject("too_long", f"{words} words")
    if found := wording.blacklist.search(text):
        raise Reject("blacklisted_word", found[0])
    if text.lower().startswith(tuple(opening.lower() for opening in wording.words("openings"))):
        raise Reject("writes_a_program")
    if unicodedata.category(text[0])[0] in "PS":
        raise Reject("starts_with_punctuation", text[0])
    if not wording.first.match(text):
        raise Reject("starts_with_another_script", text[0])
    if found := wording.refusals.match(text):
        raise Reject("refusal", found[0])
    if isinstance(settings, AlpacaSettings):
        check_instance(candidate.input, candidate.output)
