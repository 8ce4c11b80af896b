"""Chats about sentences of the world: requests to write them down, and questions about what they say."""

from __future__ import annotations

from dataclasses import dataclass

from stages.formats.chat.chats import Chat, Message, Part, text_message
from stages.sample.draw import Draw
from stages.sample.pictures.questions import NUM_OPTIONS, OPTIONS
from stages.sample.speech.sentences import HEARD, VALUES, Sentence

WRITE: tuple[str, ...] = ("Write down what you hear.", "What is said?", "Turn the speech into text.")
"""Requests for the words."""
SOURCE = "sample.speech"


@dataclass(frozen=True)
class Spoken:
    """A sound of the world."""

    number: int
    key: str
    sentence: Sentence


@dataclass(frozen=True)
class Heard:
    """A question about a sound."""

    text: str
    """Beside the sound; empty where the sound asks."""
    value: str
    options: tuple[str, ...] = ()


def transcribed(spoken: Spoken, seed: int) -> Chat:
    """Return a request for the words, and the words."""
    request = Draw("write", seed, spoken.key).pick(WRITE)
    return _chat(spoken, request, spoken.sentence.text)


def answered(spoken: Spoken, seed: int) -> Chat:
    """Return a question about the content and its answer; the answer alone where the sound asks.

    Half of the questions have options, and their answer is one of these.
    """
    draw = Draw("answered", seed, spoken.key)
    has_options = draw.chance(0.5)
    heard = question(spoken.sentence, draw, has_options)
    return _chat(
        spoken, heard.text, spoken.sentence.reply if spoken.sentence.reply and not has_options else heard.value
    )


def question(sentence: Sentence, draw: Draw, has_options: bool) -> Heard:
    """Return a question about what a sentence says, or what is asked by it."""
    name, value = (sentence.asks, sentence.answer) if sentence.answer else draw.pick(sentence.says)
    text = "" if sentence.answer else HEARD[name]
    if not has_options:
        return Heard(text, value)
    wrong = draw.sample([each for each in VALUES[name] if each != value], NUM_OPTIONS - 1)
    options = tuple(draw.shuffled([value, *wrong]))
    before, between, after = OPTIONS["en"]
    return Heard(f"{text}{before}{between.join(options)}{after}".strip(), value, options)


def _chat(spoken: Spoken, text: str, answer: str) -> Chat:
    sound = Part("audio", key=spoken.key)
    user = Message("user", (sound, Part("text", text)) if text else (sound,))
    messages = (user, text_message("assistant", answer))
    return Chat(id=f"{spoken.number:06d}", messages=messages, provenance={"source": SOURCE})
