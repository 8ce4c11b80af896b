"""Messages of a request as messages of the house: every part is bounded and decoded before the model sees it.

Pictures and sounds come as data. The server fetches nothing: a URL of another machine is refused before a connection.
A picture or a sound is a part with a key, the digest of its bytes; the decoded ones stand beside the messages.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from PIL.Image import Image

from stages.formats.chat.chats import Message, Part, Role, text_message
from stages.formats.chat.rejects import Reject
from stages.formats.pictures.tars import key_of
from stages.pictures import load, sound
from stages.pictures.load import Bounds, load_picture
from stages.pictures.sound import Samples, SoundBounds, load_sound
from stages.serve.asked import Call, MessageAsked, StepAsked
from stages.serve.config import Limits
from stages.serve.problems import Problem
from stages.serve.tools import written_call

DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,")
SOUND_FORMATS = ("wav", "mp3")
_REASONS = {**load.REASONS, **sound.REASONS}


Decoded = TypeVar("Decoded")


class Shown(NamedTuple, Generic[Decoded]):
    """A decoded picture or sound, and the parameter that it came from."""

    value: Decoded
    param: str


@dataclass(frozen=True)
class Media:
    """Pictures and sounds of a request, by key."""

    pictures: dict[str, Shown[Image]] = field(default_factory=dict)
    sounds: dict[str, Shown[Samples]] = field(default_factory=dict)

    @property
    def pixels(self) -> int:
        """Pixels of all pictures."""
        return sum(shown.value.width * shown.value.height for shown in self.pictures.values())


def read_messages(asked: Sequence[MessageAsked], limits: Limits) -> tuple[list[Message], Media]:
    """Return the messages, and what they show. Raises Problem, which names the message and the part."""
    unfolded = [*_unfolded(asked)]
    if len(unfolded) > limits.messages:
        raise Problem(f"messages: {len(unfolded)} of them, at most {limits.messages}", param="messages")
    left = limits.pictures
    found, media = [], Media()
    for where, message in unfolded:
        parts = []
        for part in _parts(message, where, limits, media):
            parts.append(part)
            left -= part.type != "text"
            if left < 0:
                raise Problem(f"{where}: more than {limits.pictures} pictures and sounds", param=where)
        found.append(_message(message, parts, where))
    return found, media


def _unfolded(asked: Sequence[MessageAsked]) -> Iterator[tuple[str, StepAsked]]:
    """Yield each message with its name, the steps of an answer before it."""
    for place, message in enumerate(asked):
        where = f"messages[{place}]"
        if message.steps and message.role != "assistant":
            raise Problem(f"{where}.steps: only the assistant has steps", param=f"{where}.steps")
        yield from ((f"{where}.steps[{number}]", step) for number, step in enumerate(message.steps or ()))
        yield where, message


def _message(asked: StepAsked, parts: Sequence[Part], where: str) -> Message:
    role: Role = "system" if asked.role == "developer" else asked.role
    if asked.tool_calls and role != "assistant":
        raise Problem(f"{where}.tool_calls: only the assistant calls tools", param=f"{where}.tool_calls")
    if role == "tool" and not asked.tool_call_id:
        raise Problem(f"{where}.tool_call_id: must name the call", param=f"{where}.tool_call_id")
    if all(part.type == "text" for part in parts):
        calls = "".join(map(_written, asked.tool_calls or ()))
        return text_message(role, "".join(part.text for part in parts) + calls)
    return Message(role=role, parts=tuple(parts))


def _written(call: Call) -> str:
    return written_call(call.function.name, call.function.arguments)


def _parts(asked: StepAsked, where: str, limits: Limits, media: Media) -> Iterator[Part]:
    content = asked.content
    if isinstance(content, str):
        yield Part("text", content)
    elif isinstance(content, list) and content:
        for place, part in enumerate(content):
            yield _part(part, f"{where}.content[{place}]", asked.role, (limits, media))
    elif content is not None or not asked.tool_calls:
        raise Problem(f"{where}.content: must be a text or a list of parts", param=f"{where}.content")


def _part(part: Any, where: str, role: str, within: tuple[Limits, Media]) -> Part:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return Part("text", part["text"])
    if kind not in ("image_url", "input_audio"):
        raise Problem(f"{where}: must be a part of type text, image_url or input_audio", param=where)
    if role != "user":
        raise Problem(f"{where}: only the user shows pictures and sounds", param=where)
    value = part.get(kind)
    if not isinstance(value, dict):
        raise Problem(f"{where}.{kind}: must be an object", param=f"{where}.{kind}")
    try:
        return _picture(value, where, *within) if kind == "image_url" else _sound(value, where, *within)
    except Reject as reject:
        message = f"{where}.{kind}: {_REASONS.get(reject.reason, reject.reason)}"
        raise Problem(message, param=f"{where}.{kind}", code=reject.reason) from reject


def _picture(value: Mapping[str, Any], where: str, limits: Limits, media: Media) -> Part:
    url, param = value.get("url"), f"{where}.image_url.url"
    if value.get("detail", "auto") not in ("auto", "low", "high"):
        raise Problem(f"{where}.image_url.detail: must be auto, low or high", param=f"{where}.image_url.detail")
    if not isinstance(url, str) or not (mark := DATA_URL.match(url)):
        wanted = "must be data (data:image/png;base64,...): this server fetches nothing"
        raise Problem(f"{param}: {wanted}", param=param, code="invalid_image_url")
    data = _decoded(url[mark.end() :], param)
    key = key_of(data)
    if key not in media.pictures:
        most = limits.picture_megapixels * 1_000_000 - media.pixels
        image = load_picture(data, bounds=Bounds(max_bytes=limits.body_mb << 20, max_pixels=most))
        media.pictures[key] = Shown(image, f"{where}.image_url")
    return Part("picture", key=key)


def _sound(value: Mapping[str, Any], where: str, limits: Limits, media: Media) -> Part:
    if value.get("format") not in SOUND_FORMATS:
        param = f"{where}.input_audio.format"
        raise Problem(f"{param}: must be {' or '.join(SOUND_FORMATS)}", param=param)
    data = _decoded(value.get("data"), f"{where}.input_audio.data")
    key = key_of(data)
    if key not in media.sounds:
        samples = load_sound(data, bounds=SoundBounds(max_bytes=limits.body_mb << 20, max_seconds=limits.sound_seconds))
        media.sounds[key] = Shown(samples, f"{where}.input_audio")
    return Part("audio", key=key)


def _decoded(text: Any, param: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise Problem(f"{param}: must be base64", param=param) from error
