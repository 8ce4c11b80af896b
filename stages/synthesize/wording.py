"""Prompts of a method in one language, and the words by which its answers are read: a file of `templates/prompts`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import yaml

from stages.synthesize.config import Method, prompts_of
from stages.synthesize.words import phrases
from stages.teacher.rendering import render
from stages.teacher.request import Request


class Wording:
    """The prompts of a method."""

    def __init__(self, method: Method, language: str, parameters: Mapping[str, Any]) -> None:
        """`parameters` replaces those of the prompts; None leaves one out."""
        content = prompts_of(method, language).read_bytes()
        self.digest = hashlib.sha256(content).hexdigest()[:12]
        self._values: Mapping[str, Any] = yaml.safe_load(content)
        self._parameters = parameters

    def request(self, prompt: str, draw: int = 0, **values: Any) -> Request:
        """Return the request that a prompt makes of some values, after its system message and its examples."""
        chosen = self._values[prompt]
        parameters = {**chosen["parameters"], **self._parameters}
        kept = {name: value for name, value in parameters.items() if value is not None}
        messages = [{"role": "system", "content": chosen["system"]}] if "system" in chosen else []
        for example in chosen.get("examples", ()):
            messages.append({"role": "user", "content": render(chosen["text"], **example["values"])})
            messages.append({"role": "assistant", "content": example["answer"]})
        messages.append({"role": "user", "content": render(chosen["text"], **values)})
        return Request(messages=tuple(messages), parameters=kept, draw=draw)

    def words(self, name: str) -> list[str]:
        """Return a list of words or texts."""
        return list(map(str, self._values[name]))

    def named(self, name: str) -> Mapping[str, str]:
        """Return texts by name."""
        return {str(key): str(text) for key, text in self._values[name].items()}

    def start(self, name: str) -> re.Pattern[str]:
        """Return the pattern of texts that begin with one of a list of patterns."""
        return re.compile(rf"\W*(?:{'|'.join(self.words(name))})", re.IGNORECASE)

    def anywhere(self, name: str) -> re.Pattern[str]:
        """Return the pattern that finds one of a list of patterns."""
        return re.compile("|".join(self.words(name)), re.IGNORECASE)

    @cached_property
    def blacklist(self) -> re.Pattern[str]:
        """The pattern of words that no instruction may have."""
        return phrases(self.words("blacklist"))

    @cached_property
    def first(self) -> re.Pattern[str]:
        """The pattern of the first character that an instruction may have."""
        return re.compile(str(self._values["first"]))

    @cached_property
    def refusals(self) -> re.Pattern[str]:
        """The pattern of texts that begin as a refusal does."""
        return self.start("refusals")
