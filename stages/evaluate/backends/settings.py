"""Settings of the models that are no checkpoint of ours: endpoints, and vLLM for folders of Hugging Face."""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from typing import Literal

from pydantic import Field, model_validator

from stages.shared.contract import Section
from stages.shared.errors import ConfigError
from stages.teacher.settings import TeacherSettings


class EndpointSettings(TeacherSettings):
    """A model behind an OpenAI-compatible endpoint."""

    api: Literal["completions", "chat"] = "completions"
    """`completions` scores and continues prompts as they are. `chat` has a template of its own, and writes answers
    alone: tasks that compare choices or measure perplexity are refused."""
    revision: str = ""
    """Revision of the weights, as far as you know it: endpoints do not say. Another one makes new results."""
    seq_len: int | None = Field(default=None, ge=2)
    """Longest sequence in tokens: longer prompts are cut, and counted. null: nothing is cut, and what the endpoint
    refuses as too long is an error."""

    @model_validator(mode="after")
    def _answers_all(self) -> EndpointSettings:
        if self.unanswered:
            raise ValueError("`unanswered: 0`: a question without an answer has no score")
        return self

    @property
    def identity(self) -> str:
        """The model, in words that name no secret."""
        revision = f", revision {self.revision}" if self.revision else ""
        return f"{self.model} at {self.host} ({self.api}{revision})"

    @property
    def digest(self) -> str:
        """Digest of what answers depend on."""
        content = [self.identity, self.seq_len]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


class VllmSettings(Section):
    """vLLM in the process of a unit, on the GPUs of its node."""

    tensor_parallel: int = Field(default=1, ge=1)
    """GPUs that a model is cut over."""
    gpu_memory: float = Field(default=0.9, gt=0.0, le=1.0)
    """Share of a GPU's memory that vLLM takes."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Type of weights and computations; auto: the folder's."""


def no_scores(name: str, settings: EndpointSettings, task: str) -> ConfigError:
    """Return the error for a task that compares log probabilities, which an endpoint cannot give."""
    if settings.api == "chat":
        wanted = (
            f"`completions` for {task!r}: the chat API gives no log probabilities of prompts, and writes texts alone"
        )
        return ConfigError(f"endpoints.{name}.api", settings.api, wanted)
    wanted = f"{{{name}: the folder with this model's tokenizer}}, because {task!r} scores the tokens of given texts"
    return ConfigError("tokenizers", None, wanted)


def lacks_vllm() -> str:
    """Return what this machine lacks for vLLM, in words; empty: nothing."""
    return "" if find_spec("vllm") else "the package `vllm` is not installed here (`pip install vllm`, with CUDA)"
