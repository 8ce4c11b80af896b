"""MMLU's solved examples, from the chain-of-thought prompts that lm-eval ships."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import lm_eval.tasks
import yaml

FOLDER = Path(lm_eval.tasks.__file__).parent / "mmlu" / "flan_cot_fewshot"
NOTE = "'dev' has {count} official examples as lm-eval's chain-of-thought prompts retype them"
CHOICES = re.compile(r"\(A\)\s*(.*?)\s*\(B\)\s*(.*?)\s*\(C\)\s*(.*?)\s*\(D\)\s*(.*)", re.DOTALL)
ANSWER = re.compile(r"answer is \(([A-D])\)")


def mmlu_examples(subject: str) -> list[dict[str, Any]]:
    """Return the solved examples of a subject, in their order; none if lm-eval has no such subject."""
    path = FOLDER / f"mmlu_{subject}.yaml"
    if not path.is_file():
        return []
    samples = yaml.safe_load(path.read_text(encoding="utf-8"))["fewshot_config"]["samples"]
    rows = (_row(sample["question"], sample["target"], subject) for sample in samples)
    return [row for row in rows if row is not None]


def _row(text: str, target: str, subject: str) -> dict[str, Any] | None:
    """Return an example as a row of the data set; None if its answer is none of four choices."""
    start = text.rfind("(A)")
    choices, answer = CHOICES.fullmatch(text[start:].strip()) if start >= 0 else None, ANSWER.search(target)
    if choices is None or answer is None:
        return None
    place = "ABCD".index(answer[1])
    return {"question": text[:start].strip(), "subject": subject, "choices": list(choices.groups()), "answer": place}
