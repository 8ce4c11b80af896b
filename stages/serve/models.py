"""The models of a server: each is loaded when it is first asked, and has an engine of its own.

Imports torch: a server answers before this module is there.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from stages.chats.encoder import chat_encoder
from stages.formats.chat.chats import Message
from stages.formats.chat.templates import ChatEncoder, load_template
from stages.formats.tokenizer import Tokenizer
from stages.generate.features import placed
from stages.generate.front import Front
from stages.generate.generation import Generator
from stages.generate.memory import BATCH_TOKENS, cache_bytes, generation_slots, slot_bytes, weight_bytes
from stages.generate.opening import Opened, open_checkpoint
from stages.generate.passes import Passes
from stages.generate.requests import Allowed, Request
from stages.generate.sampling import Sampling
from stages.model import parallel
from stages.serve.asked import Common
from stages.serve.config import ServeConfig
from stages.serve.gallery import NOTHING, Gallery, Held
from stages.serve.grammars import Vocabulary
from stages.serve.parts import Media
from stages.serve.problems import Problem
from stages.shared.task import Ranks


class Model:
    """A loaded model with its engine."""

    def __init__(self, name: str, opened: Opened, tokenizer: Tokenizer, config: ServeConfig) -> None:
        self.name, self.created = name, int(time.time())
        self.tokenizer = tokenizer
        self._opened, self._limits = opened, config.limits
        passes = _passes(opened, config)
        sense = opened.model.sense
        self._gallery = Gallery(sense, passes.features, 2 * passes.cache.slots) if sense else None
        self.encoder = _encoder(opened, tokenizer, config.template, self._gallery)
        generator = Generator(passes, tokenizer, max_rows=config.limits.rows, batch=BATCH_TOKENS)
        self.front = Front(generator).__enter__()

    def close(self) -> None:
        """Answer what was asked, then end."""
        self.front.__exit__(None, None, None)

    @property
    def fingerprint(self) -> str:
        """Names the weights."""
        return f"fp_{self._opened.identity[:12]}"

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokens as bytes."""
        controls, vocab_size = self._opened.model.config.extra_tokens, self.tokenizer.vocab_size
        controls = controls[: self._opened.model.num_outputs - vocab_size]
        return Vocabulary(self.tokenizer, controls, self._ends)

    @property
    def _ends(self) -> tuple[int, ...]:
        end = self.encoder.end_id if self.encoder else None
        return () if end is None else (end,)

    def show(self, media: Media) -> Held:
        """Let the model look at what a request shows; return the hold of it, for the prompts and rows of the request.

        Raises Problem, which names the part, for a model that does not see or hear, and for pictures without room.
        """
        shown: dict[str, Any] = {}
        for name, given, refused in (
            ("eyes", media.pictures, ("sees no pictures", "no_vision")),
            ("ears", media.sounds, ("hears no sounds", "no_hearing")),
        ):
            for key, each in given.items():
                if self._gallery is None or getattr(self._opened.model.config, name) is None:
                    raise Problem(f"{each.param}: this model {refused[0]}", param=each.param, code=refused[1])
                shown[key] = each.value
        if self._gallery is None:
            return NOTHING
        held = self._gallery.hold(shown)
        try:
            if short := next((key for key in shown if not self._gallery.positions(key)), None):
                param = media.sounds[short].param
                raise Problem(f"{param}: too short to be heard", param=param, code="too_short")
            if sum(map(self._gallery.positions, shown)) > self._opened.seq_len:
                problem = f"pictures and sounds take more than the {self._opened.seq_len} positions of {self.name}"
                raise Problem(problem, param="messages", code="context_length_exceeded")
            self._gallery.look(shown)
        except BaseException:
            held.release()
            raise
        return held

    def chat_prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return the tokens of a conversation up to where the assistant answers. Its pictures must be held.

        Raises Problem for a model without a chat template, and for a role that the template lacks.
        """
        if self.encoder is None:
            wanted = "completes texts, and was not trained to chat: use /v1/completions"
            raise Problem(f"model: {self.name} {wanted}", param="model", code="no_chat")
        try:
            ids = self.encoder.prompt(messages)
        except ValueError as error:
            raise Problem(f"messages: {error}", param="messages") from error
        parts = [part for message in messages for part in message.parts if part.type != "text"]
        if not parts or self._gallery is None:
            return tuple(ids)
        placeholder = self.encoder.perceived[parts[0].type]  # a model has one sense
        return tuple(placed(ids, placeholder, [(part.key, self._gallery.positions(part.key)) for part in parts]))

    def text_prompt(self, prompt: str | Sequence[int]) -> tuple[int, ...]:
        """Return the tokens of a text behind the first token, or token ids as they are. Raises Problem for no ids."""
        if isinstance(prompt, str):
            return (self._opened.first_id, *self.tokenizer.encode(prompt))
        most = self._opened.model.config.used_rows(self._opened.model.vocab_size)
        if not prompt or not all(0 <= token < most for token in prompt):
            raise Problem(f"prompt: token ids must be from 0 to {most - 1}", param="prompt")
        return tuple(prompt)

    def requests(
        self,
        prompt: tuple[int, ...],
        asked: Common,
        max_tokens: int | None,
        logprobs: int | None,
        masks: Sequence[Allowed | None],
    ) -> list[Request]:
        """Return a row for each mask, all of one prompt. Raises Problem for a prompt that leaves no room."""
        most = self._opened.seq_len
        if len(prompt) > most:
            problem = f"the prompt has {len(prompt)} tokens, and {self.name} takes {most}"
            raise Problem(problem, param="messages", code="context_length_exceeded")
        limit = self._limits.max_tokens if max_tokens is None else min(max_tokens, self._limits.max_tokens)
        sampling = Sampling(
            max_tokens=limit,
            temperature=1.0 if asked.temperature is None else asked.temperature,
            top_k=asked.top_k or 0,
            top_p=1.0 if asked.top_p is None else asked.top_p,
            seed=secrets.randbits(62) if asked.seed is None else asked.seed,
            until=asked.stop or (),
            logprobs=logprobs,
        )
        digest = hashlib.sha256(",".join(map(str, prompt)).encode()).hexdigest()
        return [
            Request(prompt=prompt, sampling=sampling, key=f"{digest}/{place}", ends=self._ends, allowed=mask)
            for place, mask in enumerate(masks)
        ]


def _encoder(opened: Opened, tokenizer: Tokenizer, name: str, gallery: Gallery | None) -> ChatEncoder | None:
    """Return the encoder of conversations; None for a model without the template's control tokens."""
    model = opened.model.config
    if any(control not in model.extra_tokens for control in load_template(name).controls):
        return None
    return chat_encoder(name, model, tokenizer, gallery.positions if gallery else None)


def _passes(opened: Opened, config: ServeConfig) -> Passes:
    """Return the model with room for as many whole contexts as the cache may hold."""
    model, number = opened.model, opened.model.dtype.itemsize
    asked = None if config.cache_mb is None else config.cache_mb * 1_000_000
    most = cache_bytes(weight_bytes(model.config, model.vocab_size, number), asked)
    rows = config.limits.rows
    slots = generation_slots(model.config, most, slot_bytes(model.config, number), [model.seq_len] * rows)
    return Passes(model, slots)


def loader(folders: Mapping[str, Path], tokenizer: Path, config: ServeConfig) -> Callable[[str], Model]:
    """Return a function that loads a model by its name. Call it in one thread at a time.

    Side effect: this process becomes a group of one (stages.model.parallel), with the settings' number of threads.
    """
    torch.set_num_threads(config.threads)
    parallel.start(Ranks())
    codec = Tokenizer(tokenizer)

    def load(name: str) -> Model:
        opened = open_checkpoint(folders[name], tokenizer)
        torch.set_flush_denormal(opened.model.config.position == "alibi")  # as in training: stages/train/loop.py
        return Model(name, opened, codec, config)

    return load
