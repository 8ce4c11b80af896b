"""Costs of units: arithmetic over questions, tokens and parameters; of endpoints over requests and their limits.

Light: the login node counts with it, from the headers of prepared data and of models.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.evaluate.backends.settings import EndpointSettings
from stages.evaluate.catalog.checks import shots_of
from stages.evaluate.catalog.definitions import shipped_variants, with_variant
from stages.evaluate.cells import Cell
from stages.formats.benchmarks.index import TaskInfo, read_index
from stages.formats.benchmarks.layout import find_dataset, sizes_of
from stages.model.known import KnownModel
from stages.shared.errors import DataError
from stages.shared.machine import Machine

START_SECONDS = 6.0
"""Imports, a model and a task until the first request (measured on a Xeon, one thread)."""
CORE_RATE = 50e9
"""Operations a second of a core, in float32 (measured on a Xeon with AVX-512)."""
GPU_SHARE = 0.2
"""Share of a GPU's peak (assumed, not measured)."""
PARAMETERS = 1e9
"""Of a model that nothing describes yet."""
REPEATS = re.compile(r"^repeats: (\d+)$", re.MULTILINE)
"""Of a shipped variant's file."""
SEQ_LEN = 2048
"""Of the same."""
QUESTIONS = 1000
"""Of a task whose data is not there yet."""
QUESTION_TOKENS = 100
"""Of the same."""
TOKEN_BYTES = 4.0
FACT_TOKENS = 40
"""Of a question of `facts` with its choices."""
DOCUMENT_TOKENS = 1000
"""Of a document whose perplexity is measured."""
TEXT_TOKENS = 256
"""Of a generated text: lm-eval's own limit."""
CHOICES = 4
"""Requests of a question whose choices are scored."""
REQUEST_SECONDS = 0.5
"""From a request to an endpoint to the first token of its answer (assumed, not measured)."""
PROMPT_RATE = 5e3
"""Tokens of prompts that an endpoint reads in a second, for each request under way (assumed)."""
TEXT_RATE = 30.0
"""Tokens that an endpoint generates in a second, for each request under way (assumed)."""


@dataclass(frozen=True)
class Requests:
    """Questions of one kind, by their means."""

    questions: int
    prompt: float
    """Tokens of a question with its solved examples."""
    texts: float = 0.0
    """Tokens that are generated for a question."""
    asked: int = 1
    """Requests for a question: its choices, or its texts."""

    def tokens(self, seq_len: float) -> float:
        """Return the tokens that a model computes; it takes no longer prompt than its sequences."""
        return self.questions * (min(self.prompt, seq_len) + self.texts)


def requests_of(cell: Cell, datasets: Sequence[Path]) -> tuple[Requests, ...]:
    """Return the requests of a cell of lm-eval or of own definitions. Reads the headers of its prepared data."""
    found = tuple(_requests(cell, leaf, datasets) for leaf in read_index().leaves(cell.task))
    return found or (Requests(cell.limit or QUESTIONS, QUESTION_TOKENS * (1 + (cell.num_fewshot or 0))),)


def _requests(cell: Cell, leaf: TaskInfo, datasets: Sequence[Path]) -> Requests:
    rows, row_bytes = _evaluated(leaf, datasets)
    questions = rows if cell.limit is None else min(rows, cell.limit)
    prompt = row_bytes / TOKEN_BYTES * (1 + shots_of(cell, leaf))
    if leaf.shape.output != "generate_until":
        return Requests(questions, prompt, asked=CHOICES if leaf.shape.output == "multiple_choice" else 1)
    repeats = cell.repeats or _repeats(cell)
    return Requests(questions, prompt, TEXT_TOKENS * repeats, repeats)


def _repeats(cell: Cell) -> int:
    """Return the texts that a cell's variant asks for, if it is a shipped one."""
    variant = shipped_variants().get(with_variant(cell.task, cell.variant))
    found = REPEATS.search(variant.read_text(encoding="utf-8")) if variant else None
    return int(found[1]) if found else 1


def _evaluated(leaf: TaskInfo, datasets: Sequence[Path]) -> tuple[int, float]:
    """Return the rows of the split that is evaluated, and the mean bytes of one."""
    unknown = QUESTIONS, QUESTION_TOKENS * TOKEN_BYTES
    try:
        folder = find_dataset(leaf.data, datasets)
        rows, num_bytes = sizes_of(folder)[leaf.shape.evaluated] if folder else (0, 0)
    except (DataError, KeyError):  # this run makes the data, or lacks a split: an estimate refuses nothing
        return unknown
    return (rows, num_bytes / rows if num_bytes else unknown[1]) if rows else unknown


def core_seconds(
    requests: Sequence[Requests], model: KnownModel | None, machine: Machine, ranks: int, parts: int = 1
) -> float:
    """Return the core-seconds of a unit that answers one of `parts` of some requests."""
    parameters, seq_len = PARAMETERS, SEQ_LEN
    if model is not None:
        config = model.config
        parameters, seq_len = config.num_active_parameters(config.num_rows(model.vocab_size)), config.seq_len
    rate = GPU_SHARE * machine.gpu.tflops * 1e12 if machine.gpu else CORE_RATE * machine.cores
    tokens = sum(each.tokens(seq_len) for each in requests) / parts
    return START_SECONDS + 2 * parameters * tokens / rate / ranks


def endpoint_seconds(requests: Sequence[Requests], settings: EndpointSettings, parts: int = 1) -> float:
    """Return the seconds of a unit that asks an endpoint one of `parts` of some requests.

    It has `concurrency` requests under way, and keeps to the endpoint's rate.
    """
    asked = sum(each.questions * each.asked for each in requests)
    longest = settings.seq_len or math.inf
    read = sum(each.questions * each.asked * min(each.prompt, longest) for each in requests)
    written = sum(each.questions * each.texts for each in requests)
    in_turns = (asked * REQUEST_SECONDS + read / PROMPT_RATE + written / TEXT_RATE) / settings.concurrency
    at_rate = 60 * asked / settings.requests_per_minute if settings.requests_per_minute else 0.0
    return START_SECONDS + max(in_turns, at_rate) / parts
