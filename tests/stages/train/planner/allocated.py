"""Bytes that torch allocates in a training step, measured: a stage on real ranks under torch's own memory report.

torch.profiler with profile_memory is told by the CPU allocator of every allocation and release, those inside operations
included. It starts before the stage does, so what it was told adds up to what is allocated. The peak is taken over
the first steps, from the building of the model to the end of the last step: before a checkpoint, whose copies are no
part of a step.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.spm import train as train_tokenizer
from stages.tokens.indexed import DatasetWriter
from tests.stages.train.ranks import Run, finish, make_task, start

STEPS = 2
VOCABULARY = 2048
AUDIT = "what is mapped after step"
Report = tuple[int, str, int, int]
"""Time in ns, name of an audit or "", address, bytes."""


def write_many_words(folder: Path) -> Path:
    """Write a tokenizer with VOCABULARY pieces and a small dataset: a head that is large enough to be seen."""
    draw = random.Random(3)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(draw.choices(letters, k=draw.randrange(3, 9))) for _ in range(3_000)]
    texts = [" ".join(draw.choices(words, k=40)) for _ in range(400)]
    folder.mkdir(parents=True, exist_ok=True)
    config = TokenizerConfig(documents="unused", vocab_size=VOCABULARY)
    (folder / KINDS.tokenizer.file).write_bytes(train_tokenizer(texts, config))
    tokenizer = Tokenizer(folder / KINDS.tokenizer.file)
    with DatasetWriter(folder / "tokens-words.bin", tokenizer.vocab_size) as writer:
        for text in texts:
            writer.write([*tokenizer.encode(text), tokenizer.eos_id])
    return folder


def peaks(run: Run) -> list[int]:
    """Return each rank's peak of allocated bytes."""
    codes = finish(start(run, _measure))
    assert not any(codes), codes
    return [int((Path(run.folder) / f"peak-{rank}").read_text("utf-8")) for rank in range(len(codes))]


def _measure(run: Run, rank: int) -> None:
    # Imported late: the launching test needs no torch, and the server has it already.
    import torch  # noqa: PLC0415

    task = make_task(run, rank)
    module, _, function = task.config.run.partition(":")
    run_stage = getattr(import_module(module), function)
    profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True)
    mapped: dict[str, list[tuple[int, int]]] = {}

    def progress(step: int) -> None:
        name = f"{AUDIT} {step}"
        with torch.profiler.record_function(name):
            mapped[name] = _mapped()
        if step == STEPS:
            profiler.stop()
            (Path(run.folder) / f"peak-{rank}").write_text(str(peak(_reports(profiler), mapped)), "utf-8")
            os._exit(0)

    profiler.start()
    run_stage(replace(task, progress=progress))


def _mapped() -> list[tuple[int, int]]:
    """Return the ranges of addresses that this process has."""
    lines = Path("/proc/self/maps").read_text("utf-8").splitlines()
    ends = (line.split()[0].split("-") for line in lines)
    return [(int(start, 16), int(end, 16)) for start, end in ends]


def peak(reports: list[Report], mapped: dict[str, list[tuple[int, int]]]) -> int:
    """Return the most bytes that were allocated at once.

    Threads of gloo release what a collective copied, and torch's report is of one thread: such a release is not heard
    of. It shows all the same: the address is given out again, or is no longer the process's at the end of a step. Only
    what has so been proven to be gone is dropped. Without the audits 2 of 28 data parallel ranks seemed to hold a copy
    of the gradients into the second step; with them all 28 agreed to 0.1 MB.
    """
    live: dict[int, int] = {}
    now = most = 0
    for _, name, address, size in reports:
        if name:
            live = {at: held for at, held in live.items() if any(start <= at < end for start, end in mapped[name])}
            now = sum(live.values())
            continue
        now -= live.pop(address, 0)
        if size > 0:
            live[address] = size
            now += size
        most = max(most, now)
    return most


def _reports(profiler: Any) -> list[Report]:
    """Return every allocation, every release (with a minus) and every audit, in order."""
    from torch._C._profiler import _EventType  # noqa: PLC0415  (as above)

    found: list[Report] = []
    events = list(profiler.profiler.kineto_results.experimental_event_tree())
    while events:
        event = events.pop()
        events.extend(event.children)
        kind, fields = event.typed
        if kind == _EventType.Allocation:
            found.append((event.start_time_ns, "", fields.ptr, fields.alloc_size))
        elif event.name.startswith(AUDIT):
            found.append((event.start_time_ns, event.name, 0, 0))
    return sorted(found, key=lambda report: report[0])
