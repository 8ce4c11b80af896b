"""Models that call tools in the sample world: right calls of APIs, and exams with and without tools.

    python -m tests.bench.tools RUN [--check]

RUN is the folder of a finished run of the recipe `gorilla` or `toolformer`, such as
`launch.py run toolformer --cluster local`. Prints the tables of what it holds. `--check` fails where a share is worse
than the README.md of `stages/tools` has it.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from stages.formats.calls.scores import CallScores, read_call_scores
from stages.formats.chat.syntheses import read_synthesis
from stages.formats.kinds import KINDS
from stages.formats.results import read_results
from stages.train.state.names import FINAL
from tests.launching import step_dir

RETRIEVERS = ("oracle", "bm25", "none")
ANNOTATIONS = ("calculated", "dated", "searched")
EXAM, TEXT_EXAM = "tool_exam", "text_exam"
USED, WITHHELD = "tools", "tools-withheld"
LEAST: Mapping[str, float] = {"sums": 0.95, "dates": 0.95, "news": 0.9}
"""Least share of right answers with the tool."""
MOST_ALONE = 0.3
"""Greatest share of right sums without it."""
MIN_CORRECT, MAX_HALLUCINATION, MAX_PERPLEXITY = 0.9, 0.05, 1.01
"""With oracle documents; and greatest ratio of the perplexities of pages, after and before."""
Exams = dict[tuple[str, str], dict[str, float]]
"""Scores by checkpoint and use of tools, then by task."""


def main() -> int:
    """Print the tables; return 1 if `--check` finds a number that is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    calls, exams, counts = called(options.run), examined(options.run), annotated(options.run)
    if not (calls or exams):
        sys.exit(
            f"{options.run}: neither calls_oracle nor {EXAM} is done. Give a finished run of gorilla or toolformer"
        )
    print("\n".join([*_call_lines(calls), *_count_lines(counts), *_exam_lines(exams)]))
    failed = [f"not reached: {name}" for name in (*_missed_calls(calls), *_missed_exams(exams)) if options.check]
    print("\n".join(failed))
    return 1 if failed else 0


def called(run: Path) -> dict[tuple[str, str], CallScores]:
    """Return the scores of calls by retriever and checkpoint."""
    return {
        (retriever, read_call_scores(file).answers.partition("/")[0]): read_call_scores(file)
        for retriever in RETRIEVERS
        for file in _files(run, f"calls_{retriever}", KINDS.call_scores.file)
    }


def annotated(run: Path) -> dict[str, Counter[str]]:
    """Return the sampled calls of each annotation by reason."""
    found: dict[str, Counter[str]] = {}
    for section in ANNOTATIONS:
        for file in _files(run, f"{section}.annotate", KINDS.synthesis.file):
            synthesis = read_synthesis(file)
            found.setdefault(section, Counter()).update({"kept": synthesis.kept, **synthesis.rejected})
    return found


def examined(run: Path) -> Exams:
    """Return the scores of the exams."""
    found: Exams = {}
    for file in (*_files(run, EXAM, KINDS.results.file), *_files(run, TEXT_EXAM, KINDS.results.file)):
        results = read_results(file)
        for score in results.scores:
            if score.metric.startswith(("exact_match", "token_perplexity")):
                found.setdefault((results.key.source, results.key.variant), {})[score.task] = score.value
    return found


def _files(run: Path, job: str, name: str) -> list[Path]:
    folder = step_dir(run, job) if (run / "steps" / job).is_dir() else None
    return sorted(folder.glob(f"units/*/{name}")) if folder else []


def _call_lines(calls: Mapping[tuple[str, str], CallScores]) -> Iterator[str]:
    for (retriever, checkpoint), scores in calls.items():
        correct, made_up, refused = (scores.share("strict", name) for name in ("correct", "hallucination", "refused"))
        yield (
            f"{retriever:>7} {checkpoint:>10}: correct {correct:.3f}, hallucination {made_up:.3f}, "
            f"refused what no API serves {refused:.3f}; {dict(scores.modes['strict'])}"
        )


def _count_lines(counts: Mapping[str, Counter[str]]) -> Iterator[str]:
    for section, reasons in counts.items():
        yield f"{section:>10}: {reasons.total()} sampled, {dict(reasons.most_common())}"


def _exam_lines(exams: Exams) -> Iterator[str]:
    for (checkpoint, use), scores in sorted(exams.items()):
        shown = ", ".join(f"{task} {value:.3f}" for task, value in sorted(scores.items()))
        yield f"{checkpoint:>10} {use or 'plain':>14}: {shown}"


def _missed_calls(calls: Mapping[tuple[str, str], CallScores]) -> Iterator[str]:
    if not calls:
        return
    scores = calls["oracle", FINAL]
    if scores.share("strict", "correct") < MIN_CORRECT:
        yield "correct calls with oracle documents"
    if scores.share("strict", "hallucination") >= MAX_HALLUCINATION:
        yield "hallucination with oracle documents"


def _missed_exams(exams: Exams) -> Iterator[str]:
    if not exams:
        return
    for task, value in exams[FINAL, USED].items():
        if value < LEAST[task.partition("_")[0]]:
            yield f"{task} with tools"
    yield from (
        f"{task} without tools: the control"
        for task, value in exams[FINAL, WITHHELD].items()
        if task.startswith("sums") and value > MOST_ALONE
    )
    before, after = (next(iter(exams[f"{name}/{FINAL}", ""].values())) for name in ("before", "after"))
    if after > MAX_PERPLEXITY * before:
        yield "perplexity"


if __name__ == "__main__":
    sys.exit(main())
