"""The step of `sample.speech`: a collection of sounds, and chats or exams about them."""

from __future__ import annotations

import io
from typing import Any

import soundfile

from stages.formats.chat.chats import write_chats
from stages.formats.kinds import KINDS
from stages.formats.pictures.tars import key_of
from stages.formats.sounds.collections import Sound, SoundsWriter
from stages.sample.draw import Draw
from stages.sample.speech.chats import SOURCE, Spoken, answered, transcribed
from stages.sample.speech.config import SpeechConfig
from stages.sample.speech.exams import write_exams
from stages.sample.speech.sentences import sentence
from stages.sample.speech.synthesis import HELD_OUT, RATE, VOICES, spoken
from stages.shared.contract import part_of
from stages.shared.task import Task

SLOWEST, FASTEST = 88, 118
"""Speed, in hundredths."""
MOST_NOISE = 30
"""Of the room, in thousandths of a full voice."""


def run(task: Task[SpeechConfig]) -> dict[str, Any]:
    """Write the sounds of a unit and what is asked about them."""
    config = task.config
    part, count = part_of(task.unit)
    numbers = range(config.sentences * part // count, config.sentences * (part + 1) // count)
    found, seconds = [], 0.0
    with SoundsWriter(task.out / KINDS.sounds.file) as writer:
        for number in numbers:
            sound = _sound(config, number)
            writer.add(sound)
            found.append(Spoken(number, sound.key, sentence(config.seed, config.purpose, number)))
            seconds += sound.samples / sound.rate
    match config.purpose:
        case "transcripts":
            write_chats(task.out / KINDS.chats.file, (transcribed(each, config.seed) for each in found))
        case "questions":
            write_chats(task.out / KINDS.chats.file, (answered(each, config.seed) for each in found))
        case "exam":
            write_exams(task.out, found, config.seed)
    return {"sounds": len(found), "seconds": round(seconds)}


def _sound(config: SpeechConfig, number: int) -> Sound:
    name = (config.seed, config.purpose, number)
    draw = Draw("sound", *name)
    voice = draw.pick(VOICES[-HELD_OUT:] if config.purpose == "exam" else VOICES[:-HELD_OUT])
    speed, noise = draw.between(SLOWEST, FASTEST) / 100, draw.below(MOST_NOISE) / 1000
    said = sentence(config.seed, config.purpose, number)
    samples = spoken(said.text, voice, speed, noise, *name)
    suffix = draw.pick(("wav", "flac"))
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=suffix.upper(), subtype="PCM_16")
    data = file.getvalue()
    return Sound(
        key=key_of(data),
        suffix=suffix,
        data=data,
        samples=len(samples),
        rate=RATE,
        transcript=said.text,
        about={"source": SOURCE, "name": f"{config.purpose}-{number:06d}", "voice": voice.name, "speed": speed},
    )
