"""Judges that answer by rule, and a pair of policies that they judge."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stages.shared.contract import InputFile
from tests.stages.teacher.scripted import Reply

GOOD = "good"
"""Word of better answers."""


def texts_of(content: str) -> tuple[str, str, str]:
    """Return the criterion and both responses of a question to a judge."""
    mark = re.search(r"begin with (=== [0-9a-f]{12})\.", content)
    assert mark
    criterion = content.split("\n\n")[1]
    _, first, second, _ = re.split(rf"^{mark[1]} .*\n", content, flags=re.MULTILINE)[1:]
    return criterion, first.removesuffix("\n"), second.removesuffix("\n")


def line(first: int, second: int, better: str) -> str:
    return f"Both are answers.\n\nA: {first}, B: {second}, better: {better}"


def fair(body: Mapping[str, Any], number: int) -> Reply:
    """Prefer the answer with more good words, in any order."""
    _, *texts = texts_of(body["messages"][0]["content"])
    first, second = (min(9, 1 + text.split().count(GOOD)) for text in texts)
    return Reply(text=line(first, second, "A" if first > second else "B" if second > first else "tie"))


def biased(body: Mapping[str, Any], number: int) -> Reply:
    """Prefer the answer that is shown first."""
    return Reply(text=line(8, 3, "A"))


def saying(text: str) -> Callable[[Mapping[str, Any], int], Reply]:
    """Return a judge that always says the same."""
    return lambda _body, _number: Reply(text=text)


def write_answers(folder: Path, policies: Mapping[str, Callable[[int], str]], count: int) -> tuple[InputFile, ...]:
    """Write chats of each policy that answer `count` questions of two sources; return them as inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    for policy, answer in policies.items():
        chats = (
            {
                "messages": [
                    {"role": "user", "content": f"question {number}"},
                    {"role": "assistant", "content": answer(number)},
                ],
                "provenance": {"source": ("facts", "requests")[number % 2]},
            }
            for number in range(count)
        )
        (folder / f"{policy}.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in chats))
    return tuple(InputFile(folder / f"{policy}.jsonl", policy, 0.1) for policy in policies)
