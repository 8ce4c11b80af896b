"""Instances of an instruction in a teacher's answer, and their filters (arXiv:2212.10560, sections 2.2 and 2.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from stages.formats.chat.rejects import Reject
from stages.synthesize.wording import Wording
from stages.teacher.request import Answer

_COLONS = (":", "：")


class Instance(NamedTuple):
    """An input and its output."""

    input: str
    output: str


def parse_instances(answer: Answer, is_classification: bool, wording: Wording) -> Iterator[Instance | Reject]:
    """Yield the instances of an answer; the last one of a cut answer is rejected."""
    if answer.finish not in ("stop", "length"):
        yield Reject("no_answer", f"{answer.finish}: {answer.text}")
        return
    found = list((_labels_first if is_classification else _inputs_first)(answer.text.strip(), wording))
    if not found:
        yield Reject("no_instance", answer.text)
    if found and answer.finish == "length":
        yield Reject("cut_answer", _shown(found.pop()))
    yield from found


def is_yes(answer: Answer, wording: Wording) -> bool:
    """Return whether an answer says that a task is a classification: it begins with a word for yes."""
    return bool(wording.start("yes").match(answer.text))


def sound(instances: list[Instance], most: int, draw: Random) -> Iterator[Instance | Reject]:
    """Yield the instances that can be used, up to `most` of them by lot, and a Reject for each other one.

    Instances of one input and different outputs are all rejected, equal instances but one.
    """
    good: list[Instance] = []
    for instance in instances:
        try:
            check_instance(*instance)
            good.append(instance)
        except Reject as reject:
            yield reject
    outputs: dict[str, set[str]] = {}
    for each in good:
        outputs.setdefault(each.input, set()).add(each.output)
    if any(given and len(different) > 1 for given, different in outputs.items()):
        yield from (Reject("same_input_other_output", _shown(each)) for each in good)
        return
    unique = list(dict.fromkeys(good))
    yield from (Reject("same_instance", _shown(each)) for each in good[len(unique) :])
    chosen = sorted(draw.sample(range(len(unique)), min(most, len(unique))))
    yield from (unique[place] for place in chosen)
    yield from (Reject("surplus", _shown(each)) for place, each in enumerate(unique) if place not in chosen)


def check_instance(given: str, output: str) -> None:
    """Raise Reject for an instance that is of no use: blank, unfinished, or a repeated input."""
    if not output.strip():
        raise Reject("blank_output", given)
    if given == output:
        raise Reject("output_is_the_input", given)
    if given.rstrip().endswith(_COLONS) or output.rstrip().endswith(_COLONS):
        raise Reject("ends_with_a_colon", f"{given} | {output}")


def _inputs_first(text: str, wording: Wording) -> Iterator[Instance]:
    """Yield the instances between `Example` marks, or the one of a text with an `Output` mark alone."""
    markers = wording.named("markers")
    word = re.escape(markers["example"])
    example = re.compile(rf"^[ \t*#]*{word}(?:\s?\d+\s*[.:：]?\**|[.:：]?\**[ \t]*$)", re.MULTILINE | re.IGNORECASE)
    output = _marker(markers["output"])
    pieces = example.split(text) if example.search(text) else [text] if output.search(text) else []
    yield from (_instance(piece.strip(), output, _marker(markers["input"])) for piece in pieces if piece.strip())


def _instance(text: str, output: re.Pattern[str], given: re.Pattern[str]) -> Instance:
    before, *after = output.split(text)
    if not after:
        return Instance("", text)
    answer = given.split(after[0])[0]
    return Instance(re.sub(rf"\A{given.pattern}", "", before, flags=given.flags).strip(), answer.strip())


def _labels_first(text: str, wording: Wording) -> Iterator[Instance]:
    """Yield the instances of a text that names a label before each input. A task without inputs has labels alone."""
    for piece in _marker(wording.named("markers")["label"]).split(text)[1:]:
        label, _, given = piece.strip().partition("\n")
        yield Instance(given.strip(), label.strip())


def _marker(word: str) -> re.Pattern[str]:
    """Return the pattern of a mark at the start of a line: `Output:`, `Output 2:`, `**Output:**`."""
    return re.compile(rf"^[ \t*#]*{re.escape(word)}\s*\d*\s*[:：]\**", re.MULTILINE | re.IGNORECASE)


def _shown(instance: Instance) -> str:
    return f"{instance.input} | {instance.output}"
