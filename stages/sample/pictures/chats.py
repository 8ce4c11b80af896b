"""Chats about pictures of the world: requests for a caption, and one to three questions of mixed forms.

A noted chat has notes in the picture's place. It teaches a model of text to answer from what it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stages.formats.chat.chats import Chat, Message, Part, text_message
from stages.sample.config import LANGUAGES, Language
from stages.sample.draw import Draw
from stages.sample.pictures.captions import DESCRIBE, caption, notes
from stages.sample.pictures.questions import WHETHER, Asked, Question, asked, choice, free, whether
from stages.sample.pictures.scenes import Scene, scene

MOST_TURNS = 3
PICTURE_FIRST = 0.5
"""Share of the chats whose picture stands before the first question; in the others it stands after it."""
SOURCE = "sample.pictures"


@dataclass(frozen=True)
class Shown:
    """A picture of the world."""

    number: int
    key: str
    scene: Scene
    is_grey: bool


def language_of(draw: Draw) -> Language:
    """Return a language, each as often."""
    return "zh" if draw.chance(0.5) else "en"


def captions(shown: Shown, seed: int) -> tuple[str, ...]:
    """Return a caption in each language."""
    draw = Draw("caption", seed, shown.key)
    return tuple(caption(shown.scene, shown.is_grey, language, draw) for language in LANGUAGES)


def described(shown: Shown, seed: int) -> list[Chat]:
    """Return a chat for each caption: a request for it, and the caption."""
    found = []
    for language, text in zip(LANGUAGES, captions(shown, seed), strict=True):
        draw = Draw("describe", seed, shown.key, language)
        messages = (_pictured(shown, draw.pick(DESCRIBE[language]), draw), text_message("assistant", text))
        found.append(_chat(f"{shown.number:06d}-{language}", messages))
    return found


def questioned(shown: Shown, seed: int) -> Chat:
    """Return a chat of one to three questions about different things, in one language."""
    draw = Draw("questions", seed, shown.key)
    language = language_of(draw)
    about = draw.sample(asked(shown.scene, shown.is_grey), draw.between(1, MOST_TURNS))
    messages: list[Message] = []
    for each in about:
        question = _question(each, language, draw)
        user = text_message("user", question.text) if messages else _pictured(shown, question.text, draw)
        messages += [user, text_message("assistant", question.sentence)]
    return _chat(f"{shown.number:06d}", messages)


def noted(number: int, seed: int) -> list[Chat]:
    """Return the chats about a scene without its picture: notes, often in the other language, stand for it."""
    shown = Shown(number, f"noted-{number}", scene(seed, "notes", number), is_grey=False)
    return [_noted(chat, shown, seed) for chat in (*described(shown, seed), questioned(shown, seed))]


def _noted(chat: Chat, shown: Shown, seed: int) -> Chat:
    draw = Draw("notes", seed, shown.key, chat.id)
    first, *others = chat.messages
    text = notes(shown.scene, language_of(draw), draw)
    parts = (text if part.type == "picture" else part.text for part in first.parts)
    return replace(chat, messages=(text_message("user", " ".join(parts)), *others))


def _question(about: Asked, language: Language, draw: Draw) -> Question:
    forms = [free, choice, choice, whether] if (about.subject, language) in WHETHER else [free, choice]
    return draw.pick(forms)(about, language, draw)


def _pictured(shown: Shown, text: str, draw: Draw) -> Message:
    parts = [Part("picture", key=shown.key), Part("text", text)]
    return Message("user", tuple(parts if draw.chance(PICTURE_FIRST) else parts[::-1]))


def _chat(name: str, messages: Sequence[Message]) -> Chat:
    return Chat(id=name, messages=tuple(messages), provenance={"source": SOURCE})
