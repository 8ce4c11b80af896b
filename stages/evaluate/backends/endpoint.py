"""The backend of endpoints: any server that speaks OpenAI's API of completions, or its chat API, through a teacher.

Prompts go as token ids where a tokenizer is known, so the server reads what was planned: its first token, its border
between context and continuation, its cut. Answers are stored, and no request is paid for twice (stages/teacher).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from stages.evaluate.backends.dialogue import Conversation
from stages.evaluate.backends.settings import EndpointSettings, no_scores
from stages.evaluate.backends.windows import SERVED, Prompt, Scored, Window, WindowLM, Written
from stages.generate.opening import FolderCodec
from stages.generate.text import Codec
from stages.shared.errors import ConfigError, DataError
from stages.teacher.request import SCORING, Answer, Request
from stages.teacher.teacher import Teacher

_STOPS = 4
"""Stop texts that OpenAI's API takes. All of them are looked for in the answer too."""
_PROBE = "One fox, 2 hares: naïve? 北京 has 1,234 roofs!\n\tend"
"""A text that tokenizers cut differently."""


class Utf8:
    """Stands for an unknown tokenizer: a token a byte. Its ids are never sent."""

    eos_id = -1

    def encode(self, text: str) -> list[int]:
        """Return the bytes of a text."""
        return [*text.encode("utf-8", "surrogatepass")]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of bytes."""
        return bytes(ids).decode("utf-8", "replace")


def longest(settings: EndpointSettings, tokenizer: FolderCodec | None) -> int:
    """Return the longest sequence in tokens; without bound where tokens cannot be counted or prompts not cut."""
    is_cut = settings.seq_len is not None and settings.api == "completions" and tokenizer is not None
    return settings.seq_len if is_cut and settings.seq_len else sys.maxsize


class EndpointLM(WindowLM):
    """A model behind an endpoint. `tokenizer` is the model's own; None: it is not known, and texts are sent."""

    def __init__(self, name: str, settings: EndpointSettings, teacher: Teacher, tokenizer: FolderCodec | None) -> None:
        codec: Codec = Utf8() if tokenizer is None else tokenizer.codec
        seq_len = longest(settings, tokenizer)
        super().__init__(codec, -1 if tokenizer is None else tokenizer.first_id, seq_len, seq_len - SERVED)
        self._name, self._settings, self._teacher, self._tokenizer = name, settings, teacher, tokenizer

    def score_windows(self, windows: list[Window]) -> list[Scored]:
        """Return the score of each window's second part.

        Raises ConfigError if the endpoint gives no log probabilities of prompts, or has another tokenizer.
        """
        if self._tokenizer is None or self._settings.api == "chat":
            raise no_scores(self._name, self._settings, "a task")
        if not windows:
            return []
        probe = Request(prompt=_PROBE, scored=len(self.encoder.encode(_PROBE)), parameters=SCORING)
        asked = [Request(prompt=(*given, *wanted), scored=len(wanted), parameters=SCORING) for given, wanted in windows]
        self._ask([probe])
        return [_scored(answer) for answer in self._ask(asked)]

    def write(self, prompts: list[Prompt]) -> list[Written]:
        """Return the continuation of each prompt."""
        answers = self._ask([self._request(prompt) for prompt in prompts])
        self.cut.withheld += sum(answer.finish == "filter" for answer in answers)
        return [self._written(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]

    def _ask(self, requests: Sequence[Request]) -> list[Answer]:
        try:
            answers = self._teacher.ask(requests)
        except ConfigError as error:
            raise error if error.setting == "tokenizers" else error.within(f"endpoints.{self._name}") from error
        for request, answer in zip(requests, answers, strict=True):
            if answer.finish == "refused":
                length = len(request.prompt) if isinstance(request.prompt, tuple) else request.bound()[0]
                remedy = "Set `seq_len` to what the model takes, and `tokenizers`, or leave the task out"
                raise DataError(
                    self._settings.url, f"refuses a request of up to {length} tokens ({answer.text[:200]})", remedy
                )
        return answers

    def _request(self, prompt: Prompt) -> Request:
        sampling = prompt.sampling
        parameters: dict[str, Any] = {"max_tokens": sampling.max_tokens, "temperature": sampling.temperature}
        if stops := self._stops(prompt)[:_STOPS]:
            parameters["stop"] = stops
        if sampling.temperature:
            parameters |= {"seed": prompt.draw}
            parameters |= {"top_p": sampling.top_p} if sampling.top_p < 1 else {}
            parameters |= {"top_k": sampling.top_k} if sampling.top_k else {}
        if self._settings.api == "completions":
            sent = prompt.context if self._tokenizer is None else prompt.ids
            return Request(prompt=sent, parameters=parameters, draw=prompt.draw)
        return Request(messages=_messages(prompt.context), parameters=parameters, draw=prompt.draw)

    def _stops(self, prompt: Prompt) -> list[str]:
        return [stop for stop in prompt.sampling.until if stop]

    def _written(self, prompt: Prompt, answer: Answer) -> Written:
        places = [at for at in (answer.text.find(stop) for stop in self._stops(prompt)) if at >= 0]
        text = answer.text[: min(places)] if places else answer.text
        tokens = answer.answer_tokens or len(self.encoder.encode(answer.text))
        stopped = "until" if places else "length" if answer.finish == "length" else "eos"
        return Written(text, tokens, stopped)


def _scored(answer: Answer) -> Scored:
    assert answer.logprob is not None, answer
    return answer.logprob, bool(answer.is_greedy)


def _messages(context: str) -> tuple[dict[str, str], ...]:
    if not isinstance(context, Conversation):
        return ({"role": "user", "content": context},)
    if context.begun:
        wanted = "tasks that leave the whole answer to the model: a chat endpoint continues no answer"
        raise ConfigError("tasks", context.begun, wanted)
    return tuple({"role": message.role, "content": message.text} for message in context.messages)
