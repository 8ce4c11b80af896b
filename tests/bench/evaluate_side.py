"""One side of tests/bench/evaluate.py in a process of its own: answers a task's requests and prints what that took.

Each side imports its own packages alone: they are a part of its memory and of its start.

python -m tests.bench.evaluate_side ours|stock WORLD TASK BATCH
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from tests.bench.evaluate_requests import data, requests_of
from tests.bench.memory import peak_mb, resident_mb


def main() -> None:
    """Print one line of JSON."""
    side, world, task, batch = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    torch.set_num_threads(1)
    root = data()
    assert root is not None, "the caller has looked"
    requests = requests_of(task, root)
    model: Any = ours(world, batch) if side == "ours" else stock(world, batch)
    loaded_mb = resident_mb()
    is_text = bool(requests) and requests[0].request_type == "generate_until"
    began = time.process_time()
    answers = model.generate_until(requests) if is_text else model.loglikelihood(requests) if requests else []
    seconds = time.process_time() - began
    found = {
        "seconds": seconds,
        "ready": began,
        "grown_mb": peak_mb() - loaded_mb,
        "peak_mb": peak_mb(),
        "answers": answers,
        "tokens": model.engine.tokens if side == "ours" else 0,
        "distinct": distinct(model, requests) if side == "ours" and requests and not is_text else 0,
    }
    print(json.dumps(found))


def ours(world: Path, batch: int) -> Any:
    """Return the stage's adapter, as the stage makes it."""
    from stages.evaluate.tasks.packages import leave_out  # noqa: PLC0415  not in stock's memory and start, as all that follows

    leave_out()
    from stages.evaluate.evaluation import Answers, CheckpointLM, open_checkpoint, open_release  # noqa: PLC0415

    checkpoint = world / "checkpoint"
    is_ours = checkpoint.exists()
    opened = open_checkpoint(checkpoint, world / "tokenizer.model") if is_ours else open_release(world / "release")
    answers = Answers(world / "none.jsonl", str(time.time_ns()), lambda: False, lambda done: None)
    return CheckpointLM(opened.model, opened.codec, answers, batch, opened.first_id)


def stock(world: Path, batch: int) -> Any:
    """Return lm-eval's adapter to transformers, as `lm_eval --model hf` makes it: behind the index of its tasks."""
    from lm_eval.models.huggingface import HFLM  # noqa: PLC0415  not in our memory and start
    from lm_eval.tasks import TaskManager  # noqa: PLC0415

    TaskManager()
    return HFLM(pretrained=str(world / "release"), batch_size=batch, device="cpu", dtype="float32")


def distinct(model: Any, requests: Any) -> int:
    """Return the number of distinct prefixes of what the model reads."""
    inputs = sorted({(*given, *wanted[:-1]) for given, wanted in model.encode_pairs(requests)})
    shared = [
        next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))
        for one, other in pairwise(inputs)
    ]
    return sum(map(len, inputs)) - sum(shared)


if __name__ == "__main__":
    main()
