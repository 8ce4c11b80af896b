"""Requests as they arrive: closed, typed and bounded. A parameter that would change the answer is never ignored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from stages.formats.calls.tool_calls import NAME
from stages.serve.problems import Problem, wrong_field
from stages.shared.settings import Settings

MAX_STOPS, MAX_STOP_CHARS = 16, 256
Stop = Annotated[str, StringConstraints(min_length=1, max_length=MAX_STOP_CHARS)]
Name = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
"""Name of a function, as OpenAI's API allows it."""
Asked = TypeVar("Asked", bound="Common")


class Function(Settings):
    """A function that the model may call."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """JSON Schema of its arguments; None: it takes none."""
    strict: bool | None = None
    """Accepted: arguments always follow the schema."""


class Tool(Settings):
    """A tool, of the one kind that there is."""

    type: Literal["function"]
    function: Function


class NamedFunction(Settings):
    """The name of a function."""

    name: Name


class NamedTool(Settings):
    """The tool that is to be called."""

    type: Literal["function"]
    function: NamedFunction


class CalledFunction(Settings):
    """A call that the assistant made earlier."""

    name: Name
    arguments: str
    """JSON."""


class Call(Settings):
    """A tool call of an earlier answer."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class StepAsked(Settings):
    """A message. `content` is checked in stages/serve/parts.py, which names its parts."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Any = None
    name: str | None = None
    """Accepted, and not shown to the model."""
    tool_calls: tuple[Call, ...] | None = None
    tool_call_id: str | None = None
    refusal: None = None
    reason: str | None = None
    """Accepted, as `seconds`: a result of this server may be sent back as it is."""
    seconds: float | None = None


class MessageAsked(StepAsked):
    """A message with the steps that this server ran for it, if it is an answer that is sent back."""

    steps: tuple[StepAsked, ...] | None = None
    """Messages that stand before it."""


class Shape(Settings):
    """A JSON Schema that the answer follows."""

    name: Name
    description: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class ResponseFormat(Settings):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: Shape | None = None

    @model_validator(mode="after")
    def _has_its_schema(self) -> ResponseFormat:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema: must be there with type json_schema, and with no other")
        return self


class StreamOptions(Settings):
    """What a stream has besides its pieces."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    """Accepted; nothing is added to pieces."""


class Common(Settings):
    """What both kinds of request have."""

    model: str = Field(min_length=1, max_length=500)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    """Number of likeliest tokens to sample from; 0: all. An addition to OpenAI's parameters, as vLLM has it."""
    seed: int | None = None
    n: int | None = Field(default=None, ge=1)
    stop: tuple[Stop, ...] | None = Field(default=None, max_length=MAX_STOPS)
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    service_tier: str | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _one_stop(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("frequency_penalty", "presence_penalty", "logit_bias")
    @classmethod
    def _not_supported(cls, value: Any) -> Any:
        if value:
            raise ValueError("not supported: must be 0 or absent")
        return value

    @model_validator(mode="after")
    def _options_of_a_stream(self) -> Common:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options: must be absent without stream")
        return self


class ChatAsked(Common):
    """A conversation to go on."""

    messages: tuple[MessageAsked, ...] = Field(min_length=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    tools: tuple[Tool, ...] | None = None
    server_tools: tuple[Name, ...] | None = None
    """Tools that the server runs, by name. An addition to OpenAI's parameters; calls of all others are the client's."""
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    """False: one call at most."""
    response_format: ResponseFormat | None = None
    modalities: tuple[Literal["text"], ...] | None = None

    @model_validator(mode="after")
    def _choice_of_tools(self) -> ChatAsked:
        names = [*(tool.function.name for tool in self.tools or ()), *(self.server_tools or ())]
        if len(set(names)) < len(names):
            raise ValueError("tools: must have different names")
        choice = self.tool_choice
        if choice in ("auto", "required") and not names:
            raise ValueError(f"tool_choice: must be absent or none without tools, and is {choice}")
        if isinstance(choice, NamedTool) and choice.function.name not in names:
            raise ValueError("tool_choice: must name one of the tools")
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs: must be absent without logprobs")
        return self


class CompletionAsked(Common):
    """A text to go on, or several."""

    prompt: str | tuple[str, ...] | tuple[int, ...] | tuple[tuple[int, ...], ...]
    """Texts, or token ids as they are."""
    logprobs: int | None = Field(default=None, ge=0, le=20)
    echo: Literal[False] | None = None
    suffix: None = None
    best_of: Literal[1] | None = None


def parse_asked(kind: type[Asked], body: bytes) -> Asked:
    """Return the request of a body. Raises Problem, which names the field."""
    try:
        value = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Problem(f"the body is no JSON ({type(error).__name__})") from error
    if not isinstance(value, dict):
        raise Problem("the body must be a JSON object")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise wrong_field(error) from error
    except RecursionError as error:
        raise Problem("the body is nested too deeply") from error


def prompts_of(asked: CompletionAsked) -> Sequence[str | tuple[int, ...]]:
    """Return each prompt of a request: a text, or token ids."""
    prompt = asked.prompt
    if isinstance(prompt, str):
        return [prompt]
    if prompt and isinstance(prompt[0], int):
        return [tuple(int(token) for token in prompt if isinstance(token, int))]
    return [each for each in prompt if isinstance(each, (str, tuple))]


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
