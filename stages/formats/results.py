"""The formats of evaluation: results and generations. Written by `evaluate`, read by the report.

A unit of `evaluate` is one (checkpoint, cell) and holds

    results.json      lm-eval's own results (results, configs, versions, n-shot, n-samples, higher_is_better) and, under
                      "stagecoach", the key that names the measurement, the flat list of its scores, and the value of
                      each question
    samples.jsonl     lm-eval's record of every sample: document, requests, answers, metrics
    generations.jsonl instead of both, for the task `generate`: one continuation a line

No content depends on time, place or user.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.shared.files import write_atomic, write_json

UNTRAINED = "untrained"
"""Source of the checkpoint that a training writes before its first step: scores are compared with it."""
PICTURES = "pictures"
"""Of the last argument of a sample's request: the keys of the pictures that it shows."""
OURS = "stagecoach"
"""The one name that is added to lm-eval's results."""
MAJORITY = "maj@"
"""Beginning of the metrics of a vote: `maj@100`."""
# fmt: off
MAIN_METRICS = (
    "acc_answer", "acc", "acc_norm", MAJORITY, "named", "exact_match", "pass@1", "pass_at_1", "em", "f1",
    "bits_per_byte",
)
# fmt: on
"""The main metric of a task is its first one in this order; with a variant, a vote comes before all."""
NORMALIZED = ("hellaswag", "arc_challenge", "openbookqa")
"""Tasks whose published scores divide log-likelihoods by length: acc_norm is their main metric."""
REMEDY = "Remove this unit and run `evaluate` again"


@dataclass(frozen=True, kw_only=True)
class EvaluationKey:
    """Names a measurement: equal keys mean the same measurement, in any run."""

    checkpoint: str
    """Identity of the weights: the digest of the checkpoint's complete.json; of an endpoint its model, host, revision
    and tokenizer."""
    source: str
    """The run's name of the checkpoint or endpoint: final, untrained, ..."""
    task: str
    num_fewshot: int
    seed: int
    """Seed for the choice of the solved examples."""
    limit: int | None
    """Questions, the first ones; None: all."""
    variant: str
    """Variant of the task's protocol; empty: the harness's own."""
    prompts: str
    """Digest of everything that the model was asked, in order."""
    data: str
    """Digest of the files that the questions come from."""
    first_token: int
    """Id of the token before every context; -1: unknown."""
    dtype: str
    """Type of the weights: fp32, bf16, ...; of an endpoint empty."""
    backend: str
    """Answering program: own, vllm, completions, chat."""
    chat: str
    """Form of the conversations: `chat`, `chat-one-turn` ...; empty: plain text."""
    template: str
    """Identity of their template; empty: none."""
    adapter: str
    """Version of our own code between harness and model."""
    harness: str
    """Name and version of the harness: lm-eval 0.4.13."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number with everything that a comparison needs."""

    task: str
    """The task, or a subtask of a group."""
    metric: str
    value: float
    stderr: float | None
    """Standard error of `value`; None if there is none (one sample)."""
    low: float | None
    high: float | None
    """The 95 % interval of `value`; None if unknown."""
    samples: int
    chance: float | None
    """The value of guessing; None if guessing has no meaning."""
    higher_is_better: bool


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Values of the single questions of a task."""

    items: tuple[str, ...]
    """Names of the questions: equal names are equal questions, in any run."""
    values: Mapping[str, tuple[float, ...]]
    """By metric, in order of `items`."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One continuation of one prompt."""

    checkpoint: str
    source: str
    prompt: str
    continuation: str
    tokens: int
    """Generated tokens."""
    stopped: str
    """`eos` if the model ended the text, `length` if the limit did."""
    temperature: float
    """0: greedy."""


class Base(NamedTuple):
    """The checkpoint with which the one of some results is compared."""

    name: str
    is_chosen: bool
    """Whether the recipe names it; else the checkpoint was fine-tuned from it."""


def about_base(base: Base | None) -> str:
    """Return Output.about of results."""
    return json.dumps(base._asdict()) if base else ""


def base_of(file: InputFile) -> Base | None:
    """Return the base of results; None if unknown."""
    return Base(**json.loads(file.about)) if file.about else None


def metric_name(metric: str, filter_name: str) -> str:
    """Return a metric's name with its filter, if it has one."""
    return metric if filter_name == "none" else f"{metric} ({filter_name})"


def main_metric_order(task: str, variant: str, metric: str) -> tuple[int, str]:
    """Return a key that sorts the metrics of a task: its main metric is the first. `metric` may have a filter."""
    name = metric.partition(" ")[0]
    if name == "acc_norm" and task in NORMALIZED:
        return 0, metric
    order = (MAJORITY, *MAIN_METRICS) if variant else MAIN_METRICS
    places = [place for place, main in enumerate(order, 1) if name == main or (main == MAJORITY == name[: len(main)])]
    return min(places, default=len(order) + 1), metric


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One question as it was sent, and the answers to it, by one filter."""

    task: str
    filter: str
    arguments: tuple[tuple[Any, ...], ...]
    """Of each request: the prompt, and the text scored after it or the settings of the generation."""
    responses: tuple[Any, ...]
    """Of each request: the log-likelihood with its greedy flag, or the texts."""
    filtered: tuple[Any, ...]
    """What the filter made of the responses."""
    target: Any

    def belongs_to(self, metric: str) -> bool:
        """Return whether a metric, as Score names it, is measured after this filter."""
        return metric.endswith(f" ({self.filter})") or (self.filter == "none" and not metric.endswith(")"))


@dataclass(frozen=True, kw_only=True)
class Results:
    """Our part of results.json."""

    key: EvaluationKey
    scores: tuple[Score, ...]
    cut_requests: int = 0
    """Requests whose context did not fit into the model, and lost its beginning."""
    cut_tokens: int = 0
    """Tokens that these lost."""
    dropped_examples: int = 0
    """Solved examples that were left out of prompts, since these did not fit into the model."""
    withheld: int = 0
    """Answers that an endpoint's filter withheld."""
    unfinished: int = 0
    """Answers that neither the model nor a stop text ended, but the number of their tokens."""
    protocol: str = ""
    """The protocol of a variant in a sentence, with its source."""
    outcomes: Mapping[str, Outcomes] = field(default_factory=dict)
    """By task, for scores that are means over questions."""
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By group in which each question counts the same: its tasks."""

    def questions(self, task: str, metric: str) -> dict[str, float]:
        """Return the value of each question of a task or group by the question's name; none if unknown."""
        found: dict[str, float] = {}
        for member in self.members.get(task, (task,)):
            outcomes = self.outcomes.get(member)
            values = outcomes.values.get(metric) if outcomes else None
            if outcomes is None or values is None:
                return {}
            found |= {f"{member}/{item}": value for item, value in zip(outcomes.items, values, strict=True)}
        return found


def write_results(path: Path, results: Results, harness_results: Mapping[str, Any]) -> None:
    """Write lm-eval's results with the key, the scores and the outcomes added."""
    write_json(path, {**harness_results, OURS: asdict(results)})


def read_results(path: Path) -> Results:
    """Return our part of a results.json. Raises DataError if the file has none."""
    try:
        ours = json.loads(path.read_text(encoding="utf-8"))[OURS]
        outcomes = {
            task: Outcomes(
                items=tuple(each["items"]), values={name: tuple(some) for name, some in each["values"].items()}
            )
            for task, each in ours["outcomes"].items()
        }
        return Results(
            key=EvaluationKey(**ours["key"]),
            scores=tuple(Score(**score) for score in ours["scores"]),
            cut_requests=ours["cut_requests"],
            cut_tokens=ours["cut_tokens"],
            dropped_examples=ours["dropped_examples"],
            withheld=ours["withheld"],
            unfinished=ours["unfinished"],
            protocol=ours["protocol"],
            outcomes=outcomes,
            members={group: tuple(tasks) for group, tasks in ours["members"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not an evaluation result ({error!r})", REMEDY) from error


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write JSONL with sorted keys, atomically."""
    lines = (json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n" for record in records)
    write_atomic(path, "".join(lines).encode("utf-8", errors="replace"))


def write_generations(path: Path, generations: Iterable[Generation]) -> None:
    """Write one generation a line, in order."""
    write_lines(path, (asdict(generation) for generation in generations))


def read_generations(path: Path) -> Iterator[Generation]:
    """Yield the generations of a file in order. Raises DataError, naming file and line, for a line that is none."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield Generation(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise DataError(path, f"not a generation ({error})", REMEDY, record=number) from error


def read_samples(path: Path) -> Iterator[Sample]:
    """Yield the samples of a file in order: of a task and filter, the order of the task's Outcomes.

    Raises DataError, naming file and line, for a line that is none.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                value = json.loads(line)
                yield Sample(
                    task=value["task"],
                    filter=value["filter"],
                    arguments=tuple(tuple(each) for each in value["arguments"]),
                    responses=tuple(value["resps"]),
                    filtered=tuple(value["filtered_resps"]),
                    target=value["target"],
                )
            except (ValueError, TypeError, KeyError) as error:
                raise DataError(path, f"not a sample ({error!r})", REMEDY, record=number) from error
