"""A rule that scores responses in place of a reward model: a sum of what is counted in a response. Pure.

{"per_token": -0.1, "ended": 1.0, "words": {"please": 0.5}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from stages.formats.reinforcement.rollouts import Rollout
from stages.shared.errors import DataError
from stages.shared.files import read_json
from stages.shared.settings import Settings


class Rule(Settings):
    """Weights of what is counted in a response."""

    per_token: float = 0.0
    """Of each token of the response, its end token included."""
    ended: float = 0.0
    """Of a response that was ended by its end token."""
    words: Mapping[str, float] = Field(default_factory=dict)
    """Of each occurrence of a text in the response's text."""

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        """Return the score of each response."""
        return [self._score(rollout) for rollout in rollouts]

    def _score(self, rollout: Rollout) -> float:
        found = sum(weight * rollout.text.count(word) for word, weight in self.words.items())
        return self.per_token * len(rollout.tokens) + self.ended * (rollout.finish == "eos") + found


def read_rule(path: Path) -> Rule:
    """Return the rule of a file. Raises DataError, naming the file, if it holds none."""
    try:
        return Rule.model_validate(read_json(path))
    except ValidationError as error:
        problem = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise DataError(path, f"no rule ({problem})", "Write per_token, ended and words") from error
