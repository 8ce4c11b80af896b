"""Small tasks of one's own in lm-eval's format, and a model of lm-eval's that answers by digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from stages.evaluate.backends.windows import Cut

LETTERS = "abcdefghijklmnopqrstuvwxyz"
CHOICE = {
    "output_type": "multiple_choice",
    "doc_to_text": "Question: {{question}}\nAnswer:",
    "doc_to_choice": "choices",
    "doc_to_target": "answer",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}
GENERATED = {
    "output_type": "generate_until",
    "doc_to_text": "Question: {{question}}\nAnswer:",
    "doc_to_target": "{{choices[answer]}}",
    "generation_kwargs": {"until": ["\n"], "do_sample": False},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}


def questions(count: int, name: str = "q") -> list[dict[str, Any]]:
    """Return questions with four choices; the text of an answer is that of no other question."""
    return [
        {"question": f"{name} {n}?", "choices": [f"{letter}{name}{n}" for letter in "wxyz"], "answer": n % 4}
        for n in range(count)
    ]


def define(folder: Path, name: str, splits: Mapping[str, Sequence[Mapping[str, Any]]], **keys: Any) -> list[Path]:
    """Write a task and its rows; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {split: f"{name}-{split}.jsonl" for split in splits}
    for split, rows in splits.items():
        (folder / files[split]).write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": files},
        **{f"{'training' if split == 'train' else split}_split": split for split in splits},
        **keys,
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    return [folder / f"{name}.yaml", *(folder / file for file in files.values())]


class ByDigest(LM):
    """Answers by the digest of the request: the same in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Instance] = []
        self.cut = Cut()

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        self.asked += requests
        return [(-float(number(request) % 1000) / 7, False) for request in requests]

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        self.asked += requests
        return [-float(number(request) % 1000) / 7 for request in requests]

    def generate_until(self, requests: list[Instance]) -> list[str]:
        self.asked += requests
        return [LETTERS[number(request) % 26] for request in requests]


def number(request: Instance) -> int:
    """Return a number that the texts of a request determine."""
    return int.from_bytes(hashlib.sha256(repr(request.args).encode()).digest()[:4], "big")
