"""A matrix of checkpoints and small tasks: three with answers of the first checkpoint, three with answers of chance.

Five checkpoints are those of a calm training. The second layer of the last one is damaged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import yaml
from lm_eval.api.instance import Instance

from stages.evaluate.adapter import CheckpointLM
from stages.evaluate.answers import Answers
from stages.generate.opening import open_checkpoint
from tests.stages.evaluate.tiny import make_checkpoint, train_tokenizer
from tests.stages.evaluate.world import CHOICE, define, questions

LEARNED = ("birds", "rivers", "trades")
"""Tasks whose right answers are those of the first checkpoint."""
GUESSED = ("cards", "coins", "dice")
ITEMS = 40
CALM, DAMAGED = (1, 2, 3, 4, 5), 6
"""Steps of the checkpoints."""
GATE = '''\
import os
import select
import signal
import socket
from pathlib import Path

HERE = Path({folder!r})


def hold(docs):
    """Wait while the gate is shut, until a signal comes: then it is open to this process for good."""
    if "WOKEN" in os.environ:
        return docs
    read, write = socket.socketpair()
    write.setblocking(False)
    before = signal.set_wakeup_fd(write.fileno())
    with open(HERE / "arrived", "a") as arrived:
        arrived.write("here\\n")
    while (HERE / "shut").exists() and "WOKEN" not in os.environ:
        if select.select([read], [], [], 0.05)[0]:
            os.environ["WOKEN"] = "yes"
    signal.set_wakeup_fd(before)
    return docs
'''


class Matrix:
    """A folder with tasks, a pool of checkpoints, and those that the training has written so far."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.tokenizer = train_tokenizer(home / "tokenizer")
        for step in (*CALM, DAMAGED):
            change = noise(step, 0.002) if step in CALM else noise(step, 1.0, "layers.1.")
            make_checkpoint(home / "pool" / f"step-{step}", self.tokenizer, 0, step, change=change)
        for task in LEARNED:
            self.define(task, answers=self._answers(task))
        for task in GUESSED:
            self.define(task)
        self.gate = home / "gate"
        self.gate.mkdir()
        (home / "tasks" / "rivers_gate.py").write_text(GATE.format(folder=str(self.gate)))
        rivers = home / "tasks" / "rivers.yaml"
        rivers.write_text(rivers.read_text() + "process_docs: !function rivers_gate.hold\n")

    def define(self, task: str, count: int = ITEMS, answers: list[int] | None = None) -> None:
        """Write a task and its rows, with right answers if given."""
        rows = questions(count, task)
        for row, answer in zip(rows, answers or (), strict=False):
            row["answer"] = answer
        define(self.home / "tasks", task, {"test": rows}, **CHOICE)

    def _answers(self, task: str) -> list[int]:
        """Return the answers of the first checkpoint."""
        opened = open_checkpoint(self.home / "pool" / f"step-{CALM[0]}", self.tokenizer)
        answers = Answers(self.home / f"{task}.answers", "", lambda: False, lambda done: None)
        adapter = CheckpointLM(opened.model, opened.codec, answers, 4096, opened.first_id)
        asked = [
            Instance("loglikelihood", {}, (f"Question: {row['question']}\nAnswer:", f" {choice}"), number)
            for row in questions(ITEMS, task)
            for number, choice in enumerate(row["choices"])
        ]
        scores = torch.tensor([score for score, _ in adapter.loglikelihood(asked)])
        return [int(best) for best in scores.reshape(ITEMS, -1).argmax(1)]

    def train_to(self, step: int) -> None:
        """Let the training have written its checkpoints up to a step."""
        (self.home / "checkpoints").mkdir(exist_ok=True)
        for number in range(1, step + 1):
            made = self.home / "pool" / f"step-{number}"
            if made.exists():
                made.rename(self.home / "checkpoints" / made.name)

    def write_recipe(self, tasks: tuple[str, ...] = (*LEARNED, *GUESSED), **resources: Any) -> Path:
        """Write the recipe; return its path."""
        evaluate = {
            "checkpoints": f"{self.home}/checkpoints/*",
            "tokenizer": str(self.tokenizer),
            "definitions": f"{self.home}/tasks/*",
            "tasks": list(tasks),
            "alarm": {},
        }
        path = self.home / "matrix.yaml"
        path.write_text(yaml.safe_dump({"evaluate": evaluate, "resources": {"evaluate": resources}}))
        return path

    def arrived(self) -> int:
        """Return how often a unit has come to the gate."""
        file = self.gate / "arrived"
        return len(file.read_text().splitlines()) if file.exists() else 0


def noise(seed: int, size: float, part: str = "") -> Callable[[torch.nn.Module], None]:
    """Return a change of the weights whose names hold `part`: noise of a size, relative to each weight's own."""

    def change(model: torch.nn.Module) -> None:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if part in name:
                    weight.add_(size * weight.std() * torch.randn(weight.shape, generator=generator))

    return change


def done_by(run: Path) -> Iterator[tuple[str, str]]:
    """Yield each finished cell with the attempt that made it."""
    for mark in sorted((run / "steps" / "evaluate").glob("*/done/*.json")):
        value = json.loads(mark.read_text())
        yield value["unit"], value["made_by"]["attempt"]
