from __future__ import annotations

from pathlib import Path

import pytest

from stages.conductor.expert import Call
from stages.conductor.experts import endpoint
from stages.conductor.experts.endpoint import endpoint_expert
from stages.conductor.selection import Entry
from stages.formats.chat.rejects import Reject
from stages.teacher.request import Answer, Request
from stages.teacher.teacher import TeacherError

ALONE = "Write the translation alone."
ASKED: list[Request] = []


def answering(answer: Answer | Exception = Answer(text=" a goat ", finish="stop")) -> object:  # noqa: B008
    def ask(request: Request) -> Answer:
        ASKED[:] = [request]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


def run(task: str, call: Call, answer: Answer | Exception = Answer(text=" a goat ", finish="stop")) -> str:  # noqa: B008
    return endpoint_expert(Entry("eyes", task, 0, 0, ""), answering(answer)).run(call).text  # type: ignore[arg-type]


def test_a_picture_and_a_sound_travel_as_data(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8")
    assert run("image-to-text", Call(files={"image": tmp_path / "a.jpg"})) == "a goat"
    assert ASKED[0].messages[0]["content"] == [
        {"type": "text", "text": "Describe the picture."},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9g="}},
    ]
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    run("automatic-speech-recognition", Call(files={"audio": tmp_path / "a.wav"}))
    assert ASKED[0].messages[0]["content"][1] == {
        "type": "input_audio",
        "input_audio": {"data": "UklGRg==", "format": "wav"},
    }
    assert ASKED[0].bound()[0] > 100


@pytest.mark.parametrize(
    ("task", "texts", "content"),
    [
        (
            "translation",
            {"text": "hi", "language": "Chinese"},
            f"Translate into Chinese. {ALONE}\n\nhi",
        ),
        ("translation", {"text": "你好"}, f"Translate into English. {ALONE}\n\n你好"),
        ("text-generation", {"prompt": "{{ 7 * 7 }}"}, "{{ 7 * 7 }}"),
    ],
)
def test_a_task_is_asked_by_its_prompt(task: str, texts: dict[str, str], content: str) -> None:
    run(task, Call(texts=texts))
    assert ASKED[0].messages[0]["content"] == content


@pytest.mark.parametrize(
    ("task", "texts", "answer", "reason"),
    [
        ("question-answering", {"text": "t", "other": "q"}, None, "bad_argument"),
        ("text-to-video", {"text": "t"}, None, "bad_argument"),
        ("translation", {"text": "t"}, Answer(text="too long", finish="refused"), "refused"),
        ("translation", {"text": "t"}, Answer(text="", finish="unanswered"), "no_answer"),
        ("translation", {"text": "t"}, TeacherError("no endpoint"), "no_answer"),
    ],
)
def test_a_task_that_is_not_done_has_a_reason(
    task: str, texts: dict[str, str], answer: Answer | Exception | None, reason: str
) -> None:
    with pytest.raises(Reject) as caught:
        run(task, Call(texts=texts), answer or Answer(text="", finish="stop"))
    assert caught.value.reason == reason


def test_a_file_that_is_too_large_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "MAX_BYTES", 1)
    (tmp_path / "a.png").write_bytes(b"12")
    with pytest.raises(Reject, match="bad_argument"):
        run("image-to-text", Call(files={"image": tmp_path / "a.png"}))
