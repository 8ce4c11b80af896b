"""The steps of the synthesize stage: read published data, or let a teacher write instructions and answers."""

from __future__ import annotations

from typing import Any

from stages.formats.chat.chats import Chat, write_chats
from stages.formats.chat.syntheses import Synthesis
from stages.formats.kinds import KINDS
from stages.shared.errors import DataError
from stages.shared.task import Task
from stages.synthesize.answering import Instances, chat_of, plain, worded
from stages.synthesize.bootstrap import Pool
from stages.synthesize.config import AlpacaSettings, SynthesizeConfig
from stages.synthesize.evolution import Evolution
from stages.synthesize.findings import counts, origin_of, own_chats, share_of, synthesis_of, written
from stages.synthesize.pool import families, read_instructions, read_seeds, split_pool, write_rows
from stages.synthesize.ready.reading import ReadyFile
from stages.synthesize.wording import Wording
from stages.teacher.asking import Asker

INSTRUCTIONS = "instructions.jsonl"
"""File of a unit: instructions that were kept, with their parents."""


def read(task: Task[SynthesizeConfig]) -> dict[str, Any]:
    """Write the chats of a file. Raises DataError for a file that gives none."""
    (file,) = task.inputs["files"]
    sources = task.config.read or {}
    ready = ReadyFile(file.path, task.unit, sources[file.source])
    chats = list(ready.chats())
    if not chats:
        raise DataError(
            file.path,
            f"none of {ready.records} records gives a chat ({dict(ready.rejects.counts)})",
            f"Set `read.{file.source}.format` to the file's format",
        )
    write_chats(task.out / KINDS.chats.file, chats)
    synthesis = Synthesis(
        method="read",
        noun="record",
        candidates=ready.records,
        kept=len(chats),
        rejected=dict(ready.rejects.counts),
        mended=dict(ready.mended),
        samples=tuple(ready.rejects.samples),
    )
    return written(task, synthesis)


def generate(task: Task[SynthesizeConfig]) -> dict[str, Any]:
    """Write the instructions that a pool grows from seed tasks; of Alpaca's variant the chats, too.

    Raises DataError if none was kept.
    """
    config = task.config
    settings = config.self_instruct or config.alpaca
    assert settings is not None
    wording = Wording(config.method, settings.language, config.parameters)
    seeds, others = read_seeds(task.inputs["files"])
    pool = Pool(seeds, settings, wording, config.seed)
    with Asker(task, config.require_teacher()) as asker:
        pool.grow(asker)
    if not pool.kept:
        raise DataError("teacher", f"no instruction was kept ({counts(pool.rejected)})", "Look at its answers")
    write_rows(task.out / INSTRUCTIONS, pool.kept)
    if isinstance(settings, AlpacaSettings):
        made = [*(seeds + others if config.originals else []), *pool.kept]
        write_chats(task.out / KINDS.chats.file, plain(made, origin_of(config, wording)))
    known = {each.id: each for each in (*seeds, *pool.kept)}
    synthesis = synthesis_of(
        task,
        asker,
        pool.rejected,
        noun="instruction",
        candidates=sum(each.candidates for each in pool.rounds),
        kept=len(pool.kept),
        rounds=tuple(pool.rounds),
        families=families(known, [each.id for each in reversed(pool.kept)]),
    )
    return written(task, synthesis)


def answer(task: Task[SynthesizeConfig]) -> dict[str, Any]:
    """Write the instances of this unit's share of the instructions, as chats; the first unit has the seeds', too."""
    config, settings = task.config, task.config.self_instruct
    assert settings is not None
    wording = Wording(config.method, settings.language, config.parameters)
    instructions = read_instructions(task.steps["generate"][0] / INSTRUCTIONS)
    share = share_of(instructions, task.place, config.shares)
    with Asker(task, config.require_teacher()) as asker:
        instances = Instances(asker, wording, settings.max_instances, config.seed)
        made = list(instances.of(share))
    seeds, others = read_seeds(task.inputs["files"]) if config.originals and task.place == 0 else ([], [])
    everything, origin = (*seeds, *others, *made), origin_of(config, wording)
    chats = worded(everything, wording, config.seed, origin) if settings.formats else plain(everything, origin)
    write_chats(task.out / KINDS.chats.file, chats)
    synthesis = synthesis_of(
        task, asker, instances.rejected, noun="instance", candidates=len(made) + len(instances.rejected), kept=len(made)
    )
    return written(task, synthesis)


def evolve(task: Task[SynthesizeConfig]) -> dict[str, Any]:
    """Write this unit's share of the pool and what it evolved to, as chats, each after its parent."""
    config, settings = task.config, task.config.evol_instruct
    assert settings is not None
    wording = Wording(config.method, settings.language, config.parameters)
    pool, unfit = split_pool(own_chats(task))
    evolution = Evolution([instruction for instruction, _ in pool], settings, wording, config.seed)
    with Asker(task, config.require_teacher()) as asker:
        evolution.run(asker)
    origin = origin_of(config, wording)
    made: list[Chat] = []
    for (_, chat), (_, *evolved) in zip(pool, evolution.lines, strict=True):
        made += [chat] if config.originals else []
        made += (chat_of(each, each.instruction, origin) for each in evolved)
    write_chats(task.out / KINDS.chats.file, made)
    rejected = unfit + evolution.rejected
    kept = list(evolution.evolved())
    known = {each.id: each for line in evolution.lines for each in line}
    oldest_lines = sorted(evolution.lines, key=len, reverse=True)
    synthesis = synthesis_of(
        task,
        asker,
        rejected,
        noun="evolution",
        candidates=len(kept) + len(rejected),
        kept=len(kept),
        rounds=tuple(evolution.rounds),
        families=families(known, [line[-1].id for line in oldest_lines if len(line) > 1]),
    )
    return written(task, synthesis)
