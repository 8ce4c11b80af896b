"""Requests of tasks from local data, as lm-eval's templates write them. Imports nothing of ours, for stock's side.

The data has no few-shot splits: the shots are other items of the same file.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance

SHARED = Path(__file__).parents[3] / "shared" / "data"
OFFLINE = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE", "TRANSFORMERS_OFFLINE"), "1")
"""The environment of both sides: lm-eval otherwise asks the network again and again."""
SUBJECT = "high_school_biology"
ADDED = 64
"""Tokens of a generation."""
GREEDY = {"until": ["Question:", "</s>", "<|im_end|>"], "do_sample": False, "max_gen_toks": ADDED}


def data() -> Path | None:
    """Return the folder of tokenizers and tasks; None where it is not."""
    return SHARED if (SHARED / "eval").is_dir() else None


def requests_of(task: str, root: Path) -> list[Instance]:
    """Return a task's requests; of the task `none` none."""
    if task == "none":
        return []
    build = {"mmlu": _mmlu, "arc_easy": _arc_easy, "piqa": _piqa, "gsm8k": _gsm8k, "ragged": _ragged, "all": _all}[task]
    return build(root / "eval")


def _all(root: Path) -> list[Instance]:
    """Return some of every multiple-choice task's, with and without shots."""
    return [*_mmlu(root)[:80], *_arc_easy(root)[:32], *_piqa(root)[:200], *_siqa(root)[:300]]


def _siqa(root: Path) -> list[Instance]:
    questions = [_rewritten(row) for row in json.loads((root / "commonsense" / "social_i_qa.test.json").read_text())]
    return _choices([(f"Question: {text}\nAnswer:", [f" {each}" for each in of]) for text, of, _ in questions[:100]])


def _rewritten(row: dict[str, Any]) -> tuple[str, list[str], int]:
    """Return question, choices and the right one's place of a row in the form in which the data has them."""
    question, listed = re.split(r"\n\nAnswer1: ", row["instruction"].split(": ", 1)[1].split("\n\nAnswer format")[0])
    return question, re.split(r" Answer\d: ", listed), int(row["answer"][-1]) - 1


def _mmlu(root: Path) -> list[Instance]:
    rows = [row for row in _lines(root / "mmlu" / "mmlu_stem_test.jsonl") if row["type"] == SUBJECT][:65]
    texts = [
        row["question"].strip()
        + "".join(f"\n{letter}. {choice}" for letter, choice in zip("ABCD", row["choices"], strict=True))
        + "\nAnswer:"
        for row in rows
    ]
    subject = SUBJECT.replace("_", " ")
    head = f"The following are multiple choice questions (with answers) about {subject}.\n\n"
    head += "".join(f"{text} {letter}\n\n" for text, letter in zip(texts[:5], "ABCDA", strict=True))
    return _choices([(head + text, [" A", " B", " C", " D"]) for text in texts[5:]])


def _arc_easy(root: Path) -> list[Instance]:
    rows = json.loads((root / "commonsense" / "ARC-Easy.test.json").read_text())[:240]
    found = [(f"Question: {text}\nAnswer:", choices, right) for text, choices, right in map(_rewritten, rows)]
    heads = _drawn([f"{text} {choices[right]}\n\n" for text, choices, right in found[40:]], shots=25)
    questions = found[:40]
    return _choices([(next(heads) + text, [f" {choice}" for choice in choices]) for text, choices, _ in questions])


def _piqa(root: Path) -> list[Instance]:
    rows = _lines(root / "piqa" / "valid.jsonl")[:200]
    return _choices([(f"Question: {row['goal']}\nAnswer:", [f" {row['sol1']}", f" {row['sol2']}"]) for row in rows])


def _gsm8k(root: Path) -> list[Instance]:
    rows = _lines(root / "gsm8k" / "test.jsonl")[:224]
    heads = _drawn([f"Question: {row['question']}\nAnswer: {row['answer']}\n\n" for row in rows[24:]], shots=5)
    return _texts([f"{next(heads)}Question: {row['question']}\nAnswer:" for row in rows[:24]])


def _ragged(root: Path) -> list[Instance]:
    """Return prompts of about 10 to 600 tokens that have nothing in common."""
    draw = random.Random(0)
    words = [word for row in _lines(root / "gsm8k" / "test.jsonl") for word in row["question"].split()]
    starts = [draw.randrange(len(words) - 500) for _ in range(24)]
    return _texts([" ".join(words[start : start + draw.randrange(8, 450)]) for start in starts])


def _drawn(pool: Sequence[str], shots: int) -> Iterator[str]:
    """Yield other shots for each question, as lm-eval draws them where a task does not say otherwise."""
    draw = random.Random(1234)
    while True:
        yield "".join(draw.sample(pool, shots))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _choices(questions: Sequence[tuple[str, Sequence[str]]]) -> list[Instance]:
    return [
        Instance("loglikelihood", {}, (context, choice), number, ("bench", doc, 1))
        for doc, (context, choices) in enumerate(questions)
        for number, choice in enumerate(choices)
    ]


def _texts(prompts: Sequence[str]) -> list[Instance]:
    return [
        Instance("generate_until", {}, (prompt, GREEDY), 0, ("bench", doc, 1)) for doc, prompt in enumerate(prompts)
    ]
