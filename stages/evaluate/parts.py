"""Parts of a cell: each answers a share of the requests, and the whole is scored from their answers.

The requests are cut, not the questions: one random stream chooses the solved examples of all questions in turn, so a
task over some of the questions would have other prompts. Every part makes all prompts and answers its own.

    answers.json    by kind of request: {first, digest, answers}, the digest being that of the part's requests
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.evaluator_utils import get_sample_size

from stages.evaluate.harness import requests_digest
from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json

FILE = "answers.json"
REMEDY = "Remove the parts of this unit and run `evaluate` again"


@dataclass(frozen=True)
class Share:
    """Answers to consecutive requests of one kind."""

    first: int
    """Number of the first of these requests."""
    digest: str
    answers: Sequence[Any]


def requests_of(loaded: Mapping[str, Any], limit: int | None) -> dict[str, list[Instance]]:
    """Return the requests that lm-eval's `evaluate` makes, by kind and in its order."""
    found: dict[str, list[Instance]] = {}
    for task in loaded["tasks"].values():
        task.build_all_requests(limit=get_sample_size(task, limit), rank=0, world_size=1)
        for request in task.instances:
            found.setdefault(request.request_type, []).extend([request] * request.repeats)
    return found


def share_of(requests: Sequence[Instance], part: int, parts: int) -> slice:
    """Return the requests of a part: about as many as of another, and all those of a question."""
    starts = [0, *(place + 1 for place, pair in enumerate(pairwise(requests)) if pair[0].doc is not pair[1].doc)]
    borders = [starts[len(starts) * each // parts] for each in range(parts)]
    return slice(borders[part], [*borders, len(requests)][part + 1])


def answer_share(model: LM, loaded: Mapping[str, Any], limit: int | None, part: tuple[int, int], out: Path) -> int:
    """Write the answers to a part of the requests, `part` being its number and the number of parts.

    Returns the number of requests.
    """
    shares, count = {}, 0
    for kind, requests in requests_of(loaded, limit).items():
        share = share_of(requests, *part)
        asked = requests[share]
        answers = getattr(model, kind)(asked) if asked else []
        shares[kind] = asdict(Share(share.start, requests_digest(kind, asked), answers))
        count += len(asked)
    write_json(out / FILE, shares)
    return count


class Replay(LM):
    """Gives the answers of parts as a model's."""

    def __init__(self, folders: Sequence[Path]) -> None:
        super().__init__()
        self.shares = [(folder / FILE, read_json(folder / FILE)) for folder in folders]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Return the parts' answers."""
        return [(logprob, greedy) for logprob, greedy in self._answers("loglikelihood", requests)]

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Return the parts' answers."""
        return self._answers("loglikelihood_rolling", requests)

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Return the parts' answers."""
        return self._answers("generate_until", requests)

    def _answers(self, kind: str, requests: Sequence[Instance]) -> list[Any]:
        """Return the answers to all requests. Raises DataError if the parts were asked something else."""
        found: list[Any] = []
        for path, shares in self.shares:
            share = Share(**shares[kind])
            asked = requests[share.first : share.first + len(share.answers)]
            if share.first != len(found) or requests_digest(kind, asked) != share.digest:
                raise DataError(path, "answers to other requests than those of this task", REMEDY)
            found += share.answers
        if len(found) != len(requests):
            raise DataError(self.shares[-1][0], f"{len(found)} answers to {len(requests)} requests", REMEDY)
        return found
