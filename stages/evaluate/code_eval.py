"""The metric `code_eval` of lm-eval's code tasks (HumanEval, MBPP, their variants), with a jail around each program.

lm-eval asks Hugging Face's `evaluate` for the metric by name when it imports such a task. The original comes from the
network and runs a model's programs with all of the user's rights.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

from stages.evaluate.scores import pass_at
from stages.jail import jail

Results = dict[int, list[tuple[int, dict[str, Any]]]]
"""For each problem the number and the verdict of each of its candidates."""


class JailedCodeEval:
    """Runs candidates against tests, each program in a jail of its own; called as Hugging Face's `code_eval`."""

    def compute(
        self, references: Sequence[str], predictions: Sequence[Sequence[str]], k: Sequence[int] = (1,)
    ) -> tuple[dict[str, float], Results]:
        """Return pass@k for each k that all problems have candidates for, and every candidate's verdict.

        A reference holds the tests of a problem, and passes with a candidate if both run as one program to its end.
        Raises JailError.
        """
        programs = [
            f"{candidate}\n{tests}"
            for tests, candidates in zip(references, predictions, strict=True)
            for candidate in candidates
        ]
        verdicts = jail.run_all(programs, at_once=len(os.sched_getaffinity(0)))
        results: Results = {}
        for number, candidates in enumerate(predictions):
            found = [next(verdicts) for _ in candidates]
            results[number] = [
                (place, {"passed": verdict.passed, "result": f"{verdict.reason} {verdict.detail}".strip()})
                for place, verdict in enumerate(found)
            ]
        return {f"pass@{size}": value for size in k if (value := _mean_pass_at(size, results)) is not None}, results


def _mean_pass_at(size: int, results: Results) -> float | None:
    counts = [(len(found), sum(each["passed"] for _, each in found)) for found in results.values()]
    if not counts or any(n < size for n, _ in counts):
        return None
    return sum(pass_at(n, correct, size) for n, correct in counts) / len(counts)


@contextlib.contextmanager
def jailed() -> Iterator[None]:
    """Give lm-eval's tasks this metric as `code_eval`, while they are loaded."""
    import evaluate as hf_evaluate  # noqa: PLC0415  brings SciPy and 75 MB: for code tasks alone

    load = hf_evaluate.load
    hf_evaluate.load = lambda path, *args, **options: (
        JailedCodeEval() if path == "code_eval" else load(path, *args, **options)
    )
    try:
        yield
    finally:
        hf_evaluate.load = load
