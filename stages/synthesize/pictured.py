"""The steps about pictures: LLaVA's instructions from captions and boxes, and MiniGPT-4's curation of descriptions."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from stages.formats.chat.chats import write_chats
from stages.formats.kinds import KINDS
from stages.formats.pictures.collections import Collection, Picture
from stages.shared.task import Task
from stages.synthesize.config import SynthesizeConfig
from stages.synthesize.curation import Curation
from stages.synthesize.findings import origin_of, own_chats, share_of, synthesis_of, written
from stages.synthesize.seeing import Seeing
from stages.synthesize.wording import Wording
from stages.teacher.asking import Asker


def show(task: Task[SynthesizeConfig]) -> dict[str, Any]:
    """Write the chats that the teacher writes about this unit's share of the pictures."""
    config, settings = task.config, task.config.llava
    assert settings is not None
    wording = Wording(config.method, settings.language, config.parameters)
    pictures = _pictures(task)
    with Asker(task, config.require_teacher()) as asker:
        seeing = Seeing(asker, wording, settings, config.seed)
        chats = list(seeing.of(pictures, origin_of(config, wording)))
    write_chats(task.out / KINDS.chats.file, chats)
    candidates = len(chats) + len(seeing.rejected)
    synthesis = synthesis_of(task, asker, seeing.rejected, noun="instruction", candidates=candidates, kept=len(chats))
    return written(task, synthesis)


def _pictures(task: Task[SynthesizeConfig]) -> list[Picture]:
    """Return this unit's share of the pictures, without their bytes. A picture that several rows have counts once."""
    with ExitStack() as stack:
        collections = [stack.enter_context(Collection(file.path)) for file in task.inputs["pictures"]]
        first: dict[bytes, tuple[Collection, int]] = {}
        for collection in collections:
            for place, key in enumerate(collection.rows["key"]):
                first.setdefault(key, (collection, place))
        share = share_of(list(first.values()), task.place, task.config.shares)
        return [replace(collection[place], data=b"") for collection, place in share]


def curate(task: Task[SynthesizeConfig]) -> dict[str, Any]:
    """Write the descriptions of this unit's share that stay, mended."""
    config, settings = task.config, task.config.curate
    assert settings is not None
    wording = Wording(config.method, settings.language, config.parameters)
    share = own_chats(task)
    with Asker(task, config.require_teacher()) as asker:
        curation = Curation(asker, wording, settings)
        kept = list(curation.of(share, origin_of(config, wording)))
    write_chats(task.out / KINDS.chats.file, kept)
    synthesis = synthesis_of(
        task,
        asker,
        curation.rejected,
        noun="description",
        candidates=len(share),
        kept=len(kept),
        mended=dict(+curation.mended),
    )
    return written(task, synthesis)
