"""A request to a teacher and its answer. The digest of a request names its answer.

A request has messages, for the chat API, or a prompt, for the API of completions. The latter also scores: the answer
then holds the log probability of the prompt's last tokens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

SCORING: Mapping[str, Any] = {"echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0.0}
"""Parameters of a request that scores its prompt. One token is generated, for some servers generate no fewer."""

Finish = Literal["stop", "length", "filter", "refused", "unanswered"]
"""`stop`: the model ended its answer; `length`: cut at max_tokens; `filter`: withheld by the endpoint's filter;
`refused`: the endpoint takes no such request, such as one too long; `unanswered`: all attempts failed."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question to a teacher. Equal requests have one answer; another `draw` asks for another one."""

    messages: tuple[Mapping[str, Any], ...] = ()
    """Chat messages: role and content, which is a text or a list of OpenAI's parts (text, picture, sound)."""
    prompt: str | tuple[int, ...] | None = None
    """Text or token ids to continue or to score, in place of messages."""
    scored: int = 0
    """Tokens at the end of the prompt whose log probability is wanted, with the parameters SCORING; of a text all of
    its tokens. 0: the prompt is continued."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the API, such as temperature, top_p, max_tokens, stop. JSON values."""
    draw: int = 0
    """Number of this answer among several to the same question."""

    def digest(self, model: str) -> str:
        """Return the name of this request's answer by a model: the same on every machine."""
        messages = [dict(message) for message in self.messages]
        asked = messages if self.prompt is None else {"prompt": self.prompt, "scored": self.scored}
        content = [model, asked, dict(self.parameters), self.draw]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def bound(self) -> tuple[int, int]:
        """Return the most tokens that the prompt and the answer can have.

        A token of a prompt has at least one byte; chat formats add a few a message. Without max_tokens an answer is
        taken to be of 4,096.
        """
        texts = (
            value if isinstance(value, str) else json.dumps(value) for each in self.messages for value in each.values()
        )
        prompt = sum(len(_bytes(text)) + 16 for text in texts)
        if self.prompt is not None:
            prompt = len(_bytes(self.prompt) if isinstance(self.prompt, str) else self.prompt)
        return prompt, int(self.parameters.get("max_tokens") or 4096)

    @property
    def path(self) -> str:
        """Path of the API that takes this request."""
        return "/chat/completions" if self.prompt is None else "/completions"

    def body(self, model: str) -> dict[str, Any]:
        """Return what is sent."""
        asked = {"messages": [dict(each) for each in self.messages]} if self.prompt is None else {"prompt": self.prompt}
        return {"model": model, **asked, **self.parameters}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A teacher's answer to one request."""

    text: str
    finish: Finish
    prompt_tokens: int = 0
    answer_tokens: int = 0
    logprob: float | None = None
    """Log probability of the scored tokens in nats."""
    is_greedy: bool | None = None
    """Whether each scored token is the likeliest one at its place."""
