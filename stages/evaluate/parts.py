"""Parts of a cell: each answers a share of the requests, and the whole is scored from their answers.

The requests are cut, not the questions: one random stream chooses the solved examples of all questions in turn, so a
task over some of the questions would have other prompts. Every part makes all prompts and answers its own.

    answers.json    shares: by kind of request {numbers, digest, answers}, the digest being that of the part's requests
                    cut: {requests, tokens, withheld, unfinished}, see Cut
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.evaluator_utils import get_sample_size

from stages.evaluate.backends.dialogue import Dialogue
from stages.evaluate.backends.windows import Cut, WindowLM
from stages.evaluate.harness import requests_digest
from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json

FILE = "answers.json"
REMEDY = "Remove the parts of this unit and run `evaluate` again"


@dataclass(frozen=True)
class Share:
    """Answers to some of the requests of one kind."""

    numbers: Sequence[int]
    """Numbers of these requests, in order."""
    digest: str
    answers: Sequence[Any]


def requests_of(
    loaded: Mapping[str, Any], limit: int | None, dialogue: Dialogue | None = None
) -> dict[str, list[Instance]]:
    """Return the requests that lm-eval's `evaluate` makes, by kind and in its order."""
    found: dict[str, list[Instance]] = {}
    form = {**dialogue.options, "chat_template": dialogue.apply} if dialogue else {}
    for task in loaded["tasks"].values():
        task.build_all_requests(limit=get_sample_size(task, limit), rank=0, world_size=1, **form)
        for request in task.instances:
            found.setdefault(request.request_type, []).extend([request] * request.repeats)
    return found


def share_of(requests: Sequence[Instance], part: int, parts: int) -> list[int]:
    """Return the numbers of the requests of a part: about as many as of another.

    All requests of a question are in one part, and so are questions with equal prompts: what is drawn for a prompt
    depends on how often it was asked before.
    """
    owners: dict[str, int] = {}
    """Place of each prompt among the different ones."""
    prompts: list[int] = []
    for number, request in enumerate(requests):
        is_same_question = number > 0 and requests[number - 1].doc is request.doc
        prompts.append(prompts[-1] if is_same_question else owners.setdefault(request.args[0], len(owners)))
    return [number for number, prompt in enumerate(prompts) if prompt * parts // len(owners) == part]


def answer_share(
    model: WindowLM,
    loaded: Mapping[str, Any],
    limit: int | None,
    part: tuple[int, int],
    out: Path,
    dialogue: Dialogue | None = None,
) -> int:
    """Write the answers to a part of the requests, `part` being its number and the number of parts.

    Returns the number of requests.
    """
    shares, count = {}, 0
    for kind, requests in requests_of(loaded, limit, dialogue).items():
        numbers = share_of(requests, *part)
        asked = [requests[number] for number in numbers]
        answers = getattr(model, kind)(asked) if asked else []
        shares[kind] = asdict(Share(numbers, requests_digest(kind, asked), answers))
        count += len(asked)
    write_json(out / FILE, {"shares": shares, "cut": asdict(model.cut)})
    return count


class Replay(LM):
    """Gives the answers of parts as a model's."""

    def __init__(self, folders: Sequence[Path]) -> None:
        super().__init__()
        self.parts = [(folder / FILE, read_json(folder / FILE)) for folder in folders]

    @property
    def cut(self) -> Cut:
        """What did not fit into the model, in all parts."""
        return Cut(**{field.name: sum(part["cut"][field.name] for _, part in self.parts) for field in fields(Cut)})

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
        found: dict[int, Any] = {}
        for path, part in self.parts:
            share = Share(**part["shares"][kind])
            asked = [requests[number] for number in share.numbers if number < len(requests)]
            if requests_digest(kind, asked) != share.digest:
                raise DataError(path, "answers to other requests than those of this task", REMEDY)
            found |= zip(share.numbers, share.answers, strict=True)
        if len(found) != len(requests):
            raise DataError(self.parts[-1][0], f"{len(found)} answers to {len(requests)} requests", REMEDY)
        return [found[number] for number in range(len(requests))]
