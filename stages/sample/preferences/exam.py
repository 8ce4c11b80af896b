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
from stages.sample.exams import of_rows
from stages.sample.generate import write_lines
from stages.sample.preferences.gold import Gold
from stages.sample.world import make_world

MAX_TOKENS = 48
"""Longest answer. A long-winded one is cut, and stays long-winded."""
NUM_PROMPTS = 200
"""Most prompts in a language, evenly drawn from those that are held out."""
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
        texts = [each.text for each in asked if each.language == language]
        count = min(NUM_PROMPTS, len(texts))
        rows = ({"question": texts[place * len(texts) // count], "seed": seed} for place in range(count))
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
    head = yaml.safe_dump({**of_rows(name), **asked}, sort_keys=False)
    tail = yaml.safe_dump({"metric_list": metrics}, sort_keys=False)
    return f"{head}process_results: !function {Path(SCORER).stem}.score\n{tail}"
