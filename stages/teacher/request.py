"""A request to a teacher and its answer. The digest of a request names its answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Finish = Literal["stop", "length", "filter", "refused", "unanswered"]
"""`stop`: the model ended its answer; `length`: cut at max_tokens; `filter`: withheld by the endpoint's filter;
`refused`: the endpoint takes no such request, such as one too long; `unanswered`: all attempts failed."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question to a teacher. Equal requests have one answer; another `draw` asks for another one."""

    messages: tuple[Mapping[str, str], ...]
    """Chat messages: role and content."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the API, such as temperature, top_p, max_tokens, stop. JSON values."""
    draw: int = 0
    """Number of this answer among several to the same question."""

    def digest(self, model: str) -> str:
        """Return the name of this request's answer by a model: the same on every machine."""
        content = [model, [dict(message) for message in self.messages], dict(self.parameters), self.draw]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def bound(self) -> tuple[int, int]:
        """Return the most tokens that the prompt and the answer can have.

        A token of a prompt has at least one byte; chat formats add a few a message. Without max_tokens an answer is
        taken to be of 4,096.
        """
        prompt = sum(
            len(text.encode("utf-8", "surrogatepass")) + 16 for message in self.messages for text in message.values()
        )
        return prompt, int(self.parameters.get("max_tokens") or 4096)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A teacher's answer to one request."""

    text: str
    finish: Finish
    prompt_tokens: int = 0
    answer_tokens: int = 0
