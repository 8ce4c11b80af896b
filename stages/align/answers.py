"""Answers of several policies, joined by prompt: what judges and people compare.

Three formats are read, line by line, whatever the file is called:

    a rollout     {"prompt": "web/17", "messages": [...], "text": "...", ...}: the conversation and its answer
    a chat        {"messages": [..., {"role": "assistant", ...}]}: its last message answers those before it
    a generation  {"prompt": "...", "continuation": "..."}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.formats.chat.chats import Message, parse_chat, text_message
from stages.formats.jsonl import parse_lines
from stages.formats.preferences import Candidates, Response
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError, nearest

_REMEDY = "Write one JSON object a line: a rollout, a chat that ends with an answer, or {prompt, continuation}"


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A conversation that policies answer."""

    messages: tuple[Message, ...]
    source: str
    """Origin, such as a data set."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The answers of a policy and of others to one prompt, one of each."""

    prompt: Prompt
    sample: int
    """Number of each answer among those of its policy to the prompt."""
    texts: Mapping[str, str]
    """By policy; the one that others are compared with is the first."""

    def candidates(self) -> Candidates:
        """Return the answers as responses to rank, with their policies as sources."""
        responses = tuple(Response(text, policy) for policy, text in self.texts.items())
        return Candidates(prompt=self.prompt.messages, responses=responses, source=self.prompt.source)


@dataclass(frozen=True, kw_only=True)
class Joined:
    """The answers of all policies."""

    against: str
    answers: tuple[Answers, ...]
    alone: Mapping[str, int]
    """Answers without a counterpart, by policy."""


def policies_of(files: Sequence[InputFile], against: str | None) -> list[str]:
    """Return the names of the policies, the one that others are compared with first.

    Raises ConfigError for fewer than two, or for a name that is none of them.
    """
    names = [*dict.fromkeys(file.source for file in files)]
    if len(names) < 2:
        raise ConfigError("answers", names, "of two policies (for example {sft: from:sampled, ppo: from:learned})")
    if against is None or against not in names:
        raise ConfigError("against", against, f"the name of a policy in answers; {nearest(against or '', names)}")
    return [against, *(name for name in names if name != against)]


def inspect_answers(files: Sequence[InputFile]) -> None:
    """Raise DataError for a file from outside the run whose first line is no answer, or that has none."""
    for file in files:
        if not file.section and next(_read([file]), None) is None:
            raise DataError(file.path, "no answers", _REMEDY)


def join_answers(files: Sequence[InputFile], against: str) -> Joined:
    """Return the answers to each prompt, in the order of those of `against`.

    Raises DataError for a line that is no answer, and if no prompt has two answers.
    """
    by_policy: dict[str, dict[tuple[tuple[Message, ...], int], tuple[Prompt, str]]] = {}
    for policy in policies_of(files, against):
        own = by_policy.setdefault(policy, {})
        answered: Counter[tuple[Message, ...]] = Counter()
        for prompt, text in _read([file for file in files if file.source == policy]):
            own[prompt.messages, answered[prompt.messages]] = prompt, text
            answered[prompt.messages] += 1
    found = []
    for place, (prompt, _) in by_policy[against].items():
        texts = {policy: own[place][1] for policy, own in by_policy.items() if place in own}
        if len(texts) > 1:
            found.append(Answers(prompt=prompt, sample=place[1], texts=texts))
    if not found:
        problem = f"no answer to a prompt that {against} answers too"
        raise DataError(files[0].path, problem, "Let all policies answer the same prompts")
    joined = Counter(policy for each in found for policy in each.texts)
    alone = {policy: len(own) - joined[policy] for policy, own in by_policy.items() if len(own) > joined[policy]}
    return Joined(against=against, answers=tuple(found), alone=alone)


def _read(files: Iterable[InputFile]) -> Iterator[tuple[Prompt, str]]:
    """Yield the prompt and the text of each answer, in order of files and lines."""
    for file in files:
        yield from parse_lines(file.path, _parse, "not an answer", _REMEDY, skips_blank=True)


def _parse(record: Mapping[str, Any], number: int) -> tuple[Prompt, str]:
    if "continuation" in record:
        asked = text_message("user", _text(record["prompt"]))
        return Prompt(messages=(asked,), source=""), _text(record["continuation"])
    chat = parse_chat(record, number)
    if "text" in record:
        source = _text(record["prompt"]).partition("/")[0]
        return Prompt(messages=chat.messages, source=source), _text(record["text"])
    if len(chat.messages) < 2 or chat.messages[-1].role != "assistant":
        raise ValueError("the last message of the chat is no answer to one before it")
    source = str(chat.provenance.get("source", ""))
    return Prompt(messages=chat.messages[:-1], source=source), chat.messages[-1].text


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r}: must be a text")
    return value
