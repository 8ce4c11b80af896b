"""A pool of instructions with their family tree: seeds of people, and what a teacher made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.formats.chat.chats import Chat
from stages.formats.chat.rejects import Reject
from stages.formats.chat.syntheses import Relative
from stages.formats.published.files import read_records
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.shared.files import write_atomic

HUMAN = "human"
SHOWN_FAMILIES, SHOWN_RELATIVES = 5, 12


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """An instruction of the pool."""

    id: str
    instruction: str
    input: str = ""
    output: str = ""
    how: str = HUMAN
    """The prompt or operation that made it."""
    round: int = 0
    parents: tuple[str, ...] = ()
    """Ids of the instructions that it was made of."""
    kept: str = ""
    """Why a machine's instruction was kept."""

    def relative(self) -> Relative:
        """Return its place in a family tree."""
        return Relative(id=self.id, text=self.instruction, how=self.how, round=self.round, parents=self.parents)


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """An instruction, an instance or an answer that was not kept."""

    id: str
    reason: str
    detail: str
    text: str
    how: str
    round: int
    parents: tuple[str, ...]


def read_seeds(files: Iterable[InputFile]) -> tuple[list[Instruction], list[Instruction]]:
    """Return the seed tasks in Self-Instruct's format, each with its first instance, and the other instances.

    Raises DataError for a record that is none, and if there is none.
    """
    seeds: list[Instruction] = []
    others: list[Instruction] = []
    for file in files:
        for number, record in read_records(file.path):
            first, *rest = _seed(file.path, number, record)
            seeds.append(first)
            others += rest
    if not seeds:
        raise DataError("files", "no seed task", 'Write one JSON object a line: {"instruction": ..., "instances": ...}')
    return seeds, others


def _seed(path: Path, number: int, record: Any) -> list[Instruction]:
    remedy = 'Write {"instruction": "...", "instances": [{"input": "", "output": "..."}]}'
    if isinstance(record, Reject):
        raise DataError(path, record.detail, remedy, record=number)
    try:
        name, text = str(record.get("id", f"{path.name}/{number}")), record["instruction"].strip()
        instances = [(each.get("input") or "", each["output"]) for each in record["instances"]]
        made = [
            Instruction(
                id=f"{name}.{place}" if place else name, instruction=text, input=given.strip(), output=output.strip()
            )
            for place, (given, output) in enumerate(instances)
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not a seed task ({error!r})", remedy, record=number) from error
    if not text or not made:
        raise DataError(path, "a seed task without an instruction or an instance", remedy, record=number)
    return made


def split_pool(chats: Iterable[tuple[str, Chat]]) -> tuple[list[tuple[Instruction, Chat]], list[Rejected]]:
    """Return the instructions of chats of one question and one answer, by the names that are given, and the others."""
    pool: list[tuple[Instruction, Chat]] = []
    unfit: list[Rejected] = []
    for name, chat in chats:
        roles = [message.role for message in chat.messages]
        is_text = all(part.type == "text" for message in chat.messages for part in message.parts)
        if roles == ["user", "assistant"] and is_text:
            question, answer = (message.text for message in chat.messages)
            pool.append((Instruction(id=name, instruction=question.strip(), output=answer), chat))
        else:
            detail = " ".join(roles) if is_text else "a part that is no text"
            unfit.append(
                Rejected(
                    id=name, reason="not_one_question", detail=detail, text="", how=HUMAN, round=0, parents=(name,)
                )
            )
    return pool, unfit


def write_rows(path: Path, rows: Iterable[Instruction | Rejected]) -> None:
    """Write one JSON object a line, atomically."""
    lines = (json.dumps(asdict(row), ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    write_atomic(path, "".join(lines).encode("utf-8", "replace"))


def read_instructions(path: Path) -> list[Instruction]:
    """Return the instructions of a file that `write_rows` wrote."""
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [Instruction(**{**row, "parents": tuple(row["parents"])}) for row in rows]


def families(known: Mapping[str, Instruction], youngest: Iterable[str]) -> tuple[tuple[Relative, ...], ...]:
    """Return some family trees: the ancestors of each instruction, nearest last, and itself."""
    return tuple(tuple(_family(known, name)) for name, _ in zip(youngest, range(SHOWN_FAMILIES), strict=False))


def _family(known: Mapping[str, Instruction], name: str) -> Iterator[Relative]:
    found: dict[str, Instruction] = {}
    waiting = [name]
    while waiting and len(found) < SHOWN_RELATIVES:
        each = waiting.pop(0)
        if each in known and each not in found:
            found[each] = known[each]
            waiting += known[each].parents
    for instruction in reversed(found.values()):
        yield instruction.relative()
