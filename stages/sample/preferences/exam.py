"""The exam `answers`: held-out prompts, to which a model's sampled answers are scored by the gold rule and its parts.

It is a task of lm-eval in each language, and brings its scorer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import yaml

from stages.sample.config import ANSWERS_EXAM, LANGUAGES, SCORER, exam_name
from stages.sample.generate import write_lines
from stages.sample.preferences.gold import Gold
from stages.sample.world import make_world

MAX_TOKENS = 96
"""Longest answer: a long-winded one has fewer tokens."""
CODE = f'''"""Scores an answer by the gold rule of the sample world."""

from {__name__} import score
'''
PARTS = ("right", "manners", "brevity")


class Asked(Protocol):
    """A prompt of the exam."""

    @property
    def text(self) -> str:
        """Its text."""

    @property
    def language(self) -> str:
        """Its language."""


def write_exams(folder: Path, seed: int, prompts: Iterable[Asked]) -> None:
    """Write the exam of each language for lm-eval, and its scorer. `seed` is the world's."""
    asked = list(prompts)
    for language in LANGUAGES:
        name = exam_name(ANSWERS_EXAM, language)
        rows = ({"question": each.text, "seed": seed} for each in asked if each.language == language)
        write_lines(folder / f"{name}.jsonl", rows)
        (folder / f"{name}.yaml").write_text(_definition(name), encoding="utf-8")
    (folder / SCORER).write_text(CODE, encoding="utf-8")


def score(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Return the gold score of an answer and its parts, as lm-eval's `process_results` does."""
    parts = _gold(doc["seed"]).parts(doc["question"], results[0])
    return {"gold": parts.total, **{f"gold_{name}": getattr(parts, name) for name in PARTS}}


@cache
def _gold(seed: int) -> Gold:
    return Gold(make_world(seed))


def _definition(name: str) -> str:
    """Return an exam's definition. Answers are sampled at temperature 1, as a policy samples them."""
    data = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}}, "test_split": "test"}
    asked = {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "",
        "generation_kwargs": {"until": [], "do_sample": True, "temperature": 1.0, "max_gen_toks": MAX_TOKENS},
    }
    metrics = [
        {"metric": metric, "aggregation": "mean", "higher_is_better": True}
        for metric in ("gold", *(f"gold_{part}" for part in PARTS))
    ]
    head = yaml.safe_dump({"task": name, **data, **asked}, sort_keys=False)
    tail = yaml.safe_dump({"metric_list": metrics}, sort_keys=False)
    return f"{head}process_results: !function {Path(SCORER).stem}.score\n{tail}"
