"""Reads the bodies of an endpoint's replies: of the chat API, and of the API of completions with its log probabilities.

Both readers raise AttributeError, KeyError, IndexError, TypeError or ValueError for a body that is no completion.
"""

from __future__ import annotations

from typing import Any

from stages.shared.errors import ConfigError
from stages.teacher.request import Answer, Finish, Request

_FINISH: dict[str | None, Finish] = {"stop": "stop", "length": "length", "content_filter": "filter", None: "stop"}


def read_text(done: Any) -> Answer:
    """Return the text of a completion, or of a chat's answer."""
    choice, usage = done["choices"][0], done.get("usage") or {}
    message = choice.get("message") or {"content": choice["text"]}
    text = message["content"] if message.get("content") is not None else message.get("refusal")
    return Answer(
        text=str(text or ""),
        finish=_FINISH.get(choice.get("finish_reason"), "stop"),
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        answer_tokens=int(usage.get("completion_tokens") or 0),
    )


def read_score(done: Any, request: Request, url: str) -> Answer:
    """Return the score of the last `request.scored` tokens of the prompt.

    Raises ConfigError for an endpoint that gives no log probabilities of prompts, or whose tokens are others than the
    request's.
    """
    choice, usage = done["choices"][0], done.get("usage") or {}
    logprobs = choice.get("logprobs") or {}
    chosen, best = logprobs.get("token_logprobs"), logprobs.get("top_logprobs")
    is_text = isinstance(request.prompt, str)
    sent = request.scored if is_text else len(request.prompt or ())
    if (
        not isinstance(chosen, list)
        or not isinstance(best, list)
        or len(best) != len(chosen)
        or len(chosen) <= 1 < sent
    ):
        wanted = f"an API that returns log probabilities of prompts (echo), and {url} returns none"
        raise ConfigError("api", "completions", f"{wanted}: tasks that compare choices or measure perplexity need them")
    answered = int(usage.get("completion_tokens") or 1)
    found = int(usage.get("prompt_tokens") or len(chosen) - answered)
    extra = found - sent
    if extra not in ((0, 1) if is_text else (0,)) or len(chosen) < found:  # a server puts its first token before a text
        wanted = f"the tokenizer of the model: {url} reads {found} tokens where it makes {sent}"
        raise ConfigError("tokenizers", request.prompt if is_text else f"{sent} tokens", wanted)
    pairs = [*zip(chosen, best, strict=True)][found - request.scored : found]
    known = [(float(logprob), max(each.values())) for logprob, each in pairs if logprob is not None]
    return Answer(
        text="",
        finish="stop",
        prompt_tokens=found,
        answer_tokens=answered,
        logprob=sum(logprob for logprob, _ in known),
        is_greedy=all(logprob >= top for logprob, top in known),
    )
