"""Findings of a unit that asked a teacher: what it kept and rejected, for the report; and its share of the work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from stages.formats.chat.chats import Chat, read_chats
from stages.formats.chat.syntheses import Synthesis, write_synthesis
from stages.formats.kinds import KINDS
from stages.shared.contract import unique_keys
from stages.shared.task import Task
from stages.synthesize.config import SynthesizeConfig
from stages.synthesize.pool import Rejected, write_rows
from stages.synthesize.wording import Wording
from stages.teacher.asking import Asker

Item = TypeVar("Item")
REJECTED = "rejected.jsonl"
"""File of a unit: whatever was rejected, with its reason."""
SAMPLES = 10
"""Rejected ones of each reason that the report shows."""


def origin_of(config: SynthesizeConfig, wording: Wording) -> dict[str, str]:
    """Return what the provenance of all chats of a section has in common."""
    return {"source": config.method, "teacher": config.require_teacher().model, "prompts": wording.digest}


def share_of(items: Sequence[Item], place: int, shares: int) -> Sequence[Item]:
    """Return the part of some items that belongs to a unit."""
    return items[len(items) * place // shares : len(items) * (place + 1) // shares]


def own_chats(task: Task[SynthesizeConfig]) -> Sequence[tuple[str, Chat]]:
    """Return this unit's share of the chats, each with a name that no other has."""
    chats = [chat for file in task.inputs["chats"] for chat in read_chats(file.path)]
    named = list(zip(unique_keys(chat.id for chat in chats), chats, strict=True))
    return share_of(named, task.place, task.config.shares)


def counts(rejected: Iterable[Rejected]) -> dict[str, int]:
    """Return how many were rejected, by reason."""
    return dict(Counter(each.reason for each in rejected))


def synthesis_of(task: Task[SynthesizeConfig], asker: Asker, rejected: Sequence[Rejected], **found: Any) -> Synthesis:
    """Return the findings of a unit that asked. Side effect: writes all that it rejected."""
    write_rows(task.out / REJECTED, rejected)
    seen: Counter[str] = Counter()
    samples = []
    for each in rejected:
        seen[each.reason] += 1
        if seen[each.reason] <= SAMPLES:
            samples.append(asdict(each))
    return Synthesis(
        method=task.config.method,
        requests=dict(asker.requests),
        prompt_tokens=asker.prompt_tokens,
        answer_tokens=asker.answer_tokens,
        rejected=counts(rejected),
        samples=tuple(samples),
        **found,
    )


def written(task: Task[SynthesizeConfig], synthesis: Synthesis) -> dict[str, Any]:
    """Return a unit's summary. Side effect: writes its synthesis."""
    write_synthesis(task.out / KINDS.synthesis.file, synthesis)
    return {"candidates": synthesis.candidates, "kept": synthesis.kept, "rejected": synthesis.rejected}
