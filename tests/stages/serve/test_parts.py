"""Parts of messages: pictures and sounds are bounded, decoded and named; nothing is fetched."""

from __future__ import annotations

import base64
import io
import socket
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from stages.serve.asked import ChatAsked
from stages.serve.config import Limits
from stages.serve.parts import read_messages
from stages.serve.problems import Problem


def picture(size: tuple[int, int] = (8, 8), kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(file, kind)
    return file.getvalue()


def wave(samples: int = 1600) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((samples, 2)), 16_000, format="WAV")
    return file.getvalue()


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def shown(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def heard(data: str, kind: str = "wav") -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{coded(data)}"


def read(*parts: Any, role: str = "user", limits: Limits | None = None) -> Problem:
    message = {"role": role, "content": [*parts]}
    asked = ChatAsked.model_validate({"model": "m", "messages": [{"role": "system", "content": "x"}, message]})
    with pytest.raises(Problem) as found:
        read_messages(asked.messages, limits or Limits())
    return found.value


@pytest.mark.parametrize(
    ("part", "param", "code"),
    [
        (shown(data_url(picture(kind="JPEG")[:-200])), "image_url", "truncated"),
        (shown(data_url(b"<svg onload='x()'/>")), "image_url", "vector_graphics"),
        (shown(data_url(b"GIF89a nothing")), "image_url", "not_a_picture"),
        (shown(data_url(b"%PDF-1.4")), "image_url", "not_a_picture"),
        (shown(data_url(picture((2000, 2000)))), "image_url", "too_many_pixels"),
        (shown("data:image/png;base64,@@@"), "image_url.url", None),
        (shown("http://169.254.169.254/latest/meta-data"), "image_url.url", "invalid_image_url"),
        (shown("file:///etc/passwd"), "image_url.url", "invalid_image_url"),
        (shown("data:text/html;base64,eA=="), "image_url.url", "invalid_image_url"),
        (shown(data_url(picture()), detail="most"), "image_url.detail", None),
        ({"type": "image_url", "image_url": "x"}, "image_url", None),
        (heard(coded(wave()[:100])), "input_audio", "truncated"),
        (heard(coded(wave(16_000 * 3))), "input_audio", "too_long"),
        (heard(coded(b"RIFF")), "input_audio", None),
        (heard(coded(wave()), "ogg"), "input_audio.format", None),
        (heard("é"), "input_audio.data", None),
    ],
)
def test_a_part_that_cannot_be_taken_is_named_with_its_reason(
    part: dict[str, Any], param: str, code: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    limits = Limits(picture_megapixels=1, sound_seconds=2)
    problem = read({"type": "text", "text": "Look:"}, part, limits=limits)
    assert problem.param == f"messages[1].content[1].{param}"
    assert code is None or problem.code == code


def test_what_is_shown_stands_beside_the_messages_once_by_its_digest() -> None:
    red, loud = data_url(picture()), coded(wave())
    content = [shown(red), heard(loud), {"type": "text", "text": "<image>"}, shown(red, detail="low")]
    asked = ChatAsked.model_validate({"model": "m", "messages": [{"role": "user", "content": content}]})
    (message,), media = read_messages(asked.messages, Limits())
    (picture_key,), (sound_key,) = media.pictures, media.sounds
    parts = [("picture", picture_key), ("audio", sound_key), ("text", ""), ("picture", picture_key)]
    assert [(part.type, part.key) for part in message.parts] == parts
    assert media.pictures[picture_key].value.getpixel((0, 0)) == (200, 30, 30)
    assert media.pictures[picture_key].param == "messages[0].content[0].image_url"
    assert (len(media.sounds[sound_key].value), media.sounds[sound_key].param[-11:]) == (1600, "input_audio")


def test_the_pictures_of_a_request_share_their_bounds() -> None:
    large = [shown(data_url(picture((900, 900 + number)))) for number in range(2)]
    problem = read(*large, limits=Limits(picture_megapixels=1))
    assert (problem.param, problem.code) == ("messages[1].content[1].image_url", "too_many_pixels")
    assert read(*large, limits=Limits(pictures=1)).param == "messages[1]"


def test_only_the_user_shows_pictures_and_only_so_many() -> None:
    assert read(shown(data_url(picture())), role="assistant").param == "messages[1].content[0]"
    for odd in ("text", None, {"type": "video"}, {"type": "text"}, [1], {"type": ["text"]}):
        assert read(odd).param == "messages[1].content[0]"


def test_texts_of_parts_are_joined_and_calls_are_written_as_the_model_writes_them() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    messages: list[dict[str, Any]] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "{{ x }}"},
    ]
    asked = ChatAsked.model_validate({"model": "m", "messages": messages})
    found, _ = read_messages(asked.messages, Limits())
    assert [(each.role, each.text) for each in found] == [
        ("system", "Be brief."),
        ("user", "ab"),
        ("assistant", '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>'),
        ("tool", "{{ x }}"),
    ]
    for wrong in (
        {"role": "tool", "content": "x"},
        {"role": "user", "content": None},
        {"role": "user", "tool_calls": [call]},
    ):
        with pytest.raises(Problem):
            read_messages(ChatAsked.model_validate({"model": "m", "messages": [wrong]}).messages, Limits())
