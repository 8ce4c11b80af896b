"""Scores beside stock `lm_eval --model hf` without any further flag: the same release, prepared data and tasks.

    python -m tests.bench.same_as_stock [--check] [--only MODEL] [--task NAME] [--limit N]

Tiny random models of four kinds: LLaMA, grouped queries, Mixtral, and a folder whose texts begin with <s>. A row has
the accuracies of both sides, how many prompts, greedy flags and texts differ, and the largest difference of a
log-likelihood. With --check the exit code is 1 if anything differs, or a log-likelihood by 1e-3 or more.

The data is in ../shared/data; without it nothing is compared. It lacks some splits: solved examples of PIQA, SIQA,
ARC-Easy and GSM8K are 30 of their own questions, those of MMLU come from lm-eval's chain-of-thought prompts.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from lm_eval.api.registry import get_model
from lm_eval.evaluator import simple_evaluate
from lm_eval.tasks import TaskManager

from stages.benchmarks.config import BenchmarksConfig
from stages.evaluate.adapter import CheckpointLM
from stages.evaluate.answers import Answers
from stages.evaluate.cells import Cell
from stages.evaluate.harness import measure
from stages.evaluate.tasks.loading import load_cell, use_datasets
from stages.generate.opening import open_checkpoint, open_release
from stages.model.config import ModelConfig
from stages.shared.contract import InputFile
from tests.bench.evaluate_requests import OFFLINE, data
from tests.bench.evaluate_world import begin_with_bos, make_world
from tests.stages.harness import run_stage

APART = 1e-3
"""Nats by which a log-likelihood may differ from stock's."""
_TINY = ModelConfig(num_layers=2, dim=64, num_heads=4, ffn_dim=128, seq_len=4096, init_std=0.05)
MODELS = {
    "LLaMA": _TINY,
    "grouped queries": ModelConfig(**_TINY.model_dump() | {"num_kv_heads": 2}),
    "Mixtral": ModelConfig(**_TINY.model_dump() | {"num_kv_heads": 2, "moe": {"num_experts": 4, "top_k": 2}}),
    "folder with <s>": _TINY,
}
"""The last one is opened from its release."""
BROKEN = range(3 + 256)
"""Control pieces and bytes, which random weights would take for the likeliest. Decoders of both libraries disagree on
bytes that make no character.
"""
SUBJECTS = (
    "mmlu_abstract_algebra",
    "mmlu_astronomy",
    "mmlu_college_biology",
    "mmlu_college_computer_science",
    "mmlu_college_mathematics",
    "mmlu_college_physics",
    "mmlu_computer_security",
    "mmlu_conceptual_physics",
    "mmlu_electrical_engineering",
    "mmlu_elementary_mathematics",
    "mmlu_high_school_biology",
    "mmlu_high_school_chemistry",
    "mmlu_high_school_computer_science",
    "mmlu_high_school_mathematics",
    "mmlu_high_school_physics",
    "mmlu_high_school_statistics",
    "mmlu_machine_learning",
)
"""MMLU's STEM subjects without anatomy, which the data lacks, and without college chemistry, which has 3 examples."""


@dataclass(frozen=True)
class Asked:
    """Tasks that make a row."""

    name: str
    tasks: tuple[str, ...]
    shots: int
    limit: int | None = None
    """Questions of each task."""


ASKED = (
    Asked("PIQA", ("piqa",), 0),
    Asked("SIQA", ("social_iqa",), 0),
    Asked("ARC-Easy", ("arc_easy",), 0, 500),
    Asked("ARC-Easy", ("arc_easy",), 5, 500),
    Asked("MMLU STEM", SUBJECTS, 5),
    Asked("MMLU STEM", ("mmlu_college_chemistry",), 3),
    Asked("GSM8K", ("gsm8k",), 5, 24),
)


@dataclass
class Row:
    """What differs between both sides on the same questions."""

    questions: int = 0
    right: tuple[float, float] = (0.0, 0.0)
    """Sums of the main metric, ours and stock's."""
    prompts: int = 0
    flags: int = 0
    texts: int = 0
    nats: float = 0.0

    @property
    def is_same(self) -> bool:
        """Whether stock's answers are ours."""
        return self.nats < APART and self.right[0] == self.right[1] and not (self.prompts or self.flags or self.texts)

    def add(self, ours: Mapping[str, Any], stock: Mapping[str, Any], metric: str) -> None:
        """Count a question, as both sides logged it."""
        self.questions += 1
        self.right = self.right[0] + float(ours[metric]), self.right[1] + float(stock[metric])
        self.prompts += list(ours["arguments"]) != list(stock["arguments"])
        for (mine,), (theirs,) in zip(ours["resps"], stock["resps"], strict=True):
            if isinstance(mine, str):
                self.texts += mine != theirs
            else:
                self.nats = max(self.nats, abs(mine[0] - theirs[0]))
                self.flags += bool(mine[1]) != bool(theirs[1])


def write_pieces(path: Path, texts: Sequence[str]) -> None:
    """Train a SentencePiece model of 2,000 pieces, as the tokenizer stage trains one."""
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=file,
            model_type="bpe",
            vocab_size=2000,
            byte_fallback=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            minloglevel=2,
        )


def prepare(root: Path, folder: Path) -> None:
    """Prepare the data of all tasks from files on disk, and show it to `datasets`."""
    families = {
        "piqa": sorted((root / "eval/piqa").iterdir()),
        "siqa": [root / "eval/commonsense/social_i_qa.test.json"],
        "arc": [root / "eval/commonsense/ARC-Easy.test.json"],
        "mmlu": [root / "eval/mmlu/mmlu_stem_test.jsonl"],
        "gsm8k": [root / "eval/gsm8k/test.jsonl"],
    }
    config = BenchmarksConfig(
        tasks=tuple(task for asked in ASKED for task in asked.tasks),
        carve={"piqa": 30, "siqa": 30, "arc": 30, "gsm8k": 30},
        harness_examples=True,
    )
    files = tuple(InputFile(path, family) for family, paths in families.items() for path in paths)
    use_datasets(folder / "home", [made.path for made in run_stage(config, {"files": files}, folder)["datasets"]])


def compare(asked: Asked, ours: CheckpointLM, stock: Any, tasks: TaskManager, definitions: Sequence[Path] = ()) -> Row:
    """Return the differences on all questions of a row. `tasks` loads stock's, `definitions` has own ones."""
    row, first = Row(), asked.limit
    for task in asked.tasks:
        loaded = load_cell(Cell(task=task, num_fewshot=asked.shots, limit=first), definitions)
        mine = measure(ours, loaded, first)["samples"][task]
        found = simple_evaluate(
            stock, tasks=[task], num_fewshot=asked.shots, limit=first, task_manager=tasks, bootstrap_iters=0
        )
        theirs = found["samples"][task]
        name = "exact_match" if "exact_match" in mine[0] else "acc"
        for one, other in zip(mine, theirs, strict=True):
            if one["filter"] == mine[-1]["filter"]:
                row.add(one, other, name)
    return row


def models_of(world: Path, batch: int) -> tuple[CheckpointLM, Any]:
    """Return our adapter and stock's model, which `lm_eval --model hf --model_args pretrained=RELEASE` makes."""
    checkpoint = world / "checkpoint"
    is_ours = checkpoint.exists()
    opened = open_checkpoint(checkpoint, world / "tokenizer.model") if is_ours else open_release(world / "release")
    answers = Answers(world / "answers.jsonl", opened.identity, lambda: False, lambda done: None)
    # Without the device it would see our shim's GPU, in this process.
    given = {"batch_size": 1, "device": "cpu"}
    stock = get_model("hf").create_from_arg_obj({"pretrained": str(world / "release")}, given)
    return CheckpointLM(opened.model, opened.codec, answers, batch, opened.first_id), stock


def rows(root: Path, folder: Path, models: Sequence[str], asked: Sequence[Asked]) -> Iterator[tuple[str, Asked, Row]]:
    """Yield model, tasks and differences."""
    prepare(root, folder)
    rows = [line for path in sorted((root / "eval").rglob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    write_pieces(folder / "pieces.model", rows[::3])
    tasks = TaskManager()
    for name in models:
        world = folder / name
        make_world(world, folder / "pieces.model", MODELS[name], BROKEN)
        if name == [*MODELS][-1]:
            begin_with_bos(world)
        ours, stock = models_of(world, 768)
        for each in asked:
            yield name, each, compare(each, ours, stock, tasks)


def main() -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="end with exit code 1 if anything differs")
    parser.add_argument("--only", choices=[*MODELS], action="append", default=[], help="one model; may be repeated")
    parser.add_argument("--task", choices={each.name: None for each in ASKED}, help="one benchmark alone")
    parser.add_argument("--limit", type=int, help="questions of each task, the first ones")
    options = parser.parse_args()
    if not OFFLINE.items() <= os.environ.items():  # both sides' libraries read it when they are imported
        again = [sys.executable, "-m", "tests.bench.same_as_stock", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, **OFFLINE})
    root = data()
    if root is None:
        print("no data: nothing is compared")
        return 0
    torch.set_num_threads(1)
    is_same = True
    print(f"{'model':16} {'task':10} shots questions  ours %  stock %  prompts  flags  texts  nats")
    with tempfile.TemporaryDirectory() as folder:
        wanted = [
            replace(each, limit=min(filter(None, (each.limit, options.limit)), default=None))
            for each in ASKED
            if options.task in (None, each.name)
        ]
        for name, asked, row in rows(root, Path(folder), options.only or [*MODELS], wanted):
            mine, theirs = (100 * right / row.questions for right in row.right)
            apart = f"{row.prompts:7} {row.flags:6} {row.texts:6}  {row.nats:.1e}"
            print(
                f"{name:16} {asked.name:10} {asked.shots:5} {row.questions:9} {mine:7.2f} {theirs:8.2f}  {apart}",
                flush=True,
            )
            is_same &= row.is_same
    return int(options.check and not is_same)


if __name__ == "__main__":
    sys.exit(main())
