"""The step of `sample.pictures`: a collection of pictures, and chats or exams about them; or chats of notes alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from stages.formats.chat.chats import write_chats
from stages.formats.kinds import KINDS
from stages.formats.pictures.collections import CollectionWriter, Picture
from stages.formats.pictures.tars import key_of
from stages.pictures.likeness import fingerprint
from stages.pictures.load import load_picture
from stages.sample.draw import Draw
from stages.sample.pictures.chats import SOURCE, Shown, captions, described, noted, questioned
from stages.sample.pictures.config import PicturesConfig
from stages.sample.pictures.containers import CONTAINERS, contained
from stages.sample.pictures.exams import write_exams
from stages.sample.pictures.paint import Boxed, painted
from stages.sample.pictures.scenes import scene
from stages.shared.contract import part_of
from stages.shared.task import Task


def run(task: Task[PicturesConfig]) -> dict[str, Any]:
    """Write the pictures of a unit and what is asked about them."""
    config = task.config
    part, count = part_of(task.unit)
    numbers = range(config.pictures * part // count, config.pictures * (part + 1) // count)
    if config.purpose == "notes":
        write_chats(task.out / KINDS.chats.file, (chat for number in numbers for chat in noted(number, config.seed)))
        return {"pictures": len(numbers)}
    shown = []
    chats = {"captions": 2, "questions": 1, "exam": 0}[config.purpose]
    with CollectionWriter(task.out / KINDS.pictures.file) as writer:
        for each, boxes, data, suffix in _rendered(config, numbers):
            own = fingerprint(load_picture(data))
            writer.add(_picture(config, each, boxes, data, suffix), own.hash, own.colours, chats)
            shown.append(each)
    match config.purpose:
        case "captions":
            write_chats(task.out / KINDS.chats.file, (chat for each in shown for chat in described(each, config.seed)))
        case "questions":
            write_chats(task.out / KINDS.chats.file, (questioned(each, config.seed) for each in shown))
        case "exam":
            write_exams(task.out, shown, config.seed)
    return {"pictures": len(shown)}


def _rendered(config: PicturesConfig, numbers: range) -> Iterator[tuple[Shown, list[Boxed], bytes, str]]:
    for number in numbers:
        name = (config.seed, config.purpose, number)
        draw = Draw("picture", *name)
        container = draw.pick(CONTAINERS)
        found = scene(config.seed, config.purpose, number)
        image, boxes = painted(found, config.size, draw, container == "clear")
        data, suffix = contained(image, container, draw, *name)
        yield Shown(number, key_of(data), found, container == "grey"), boxes, data, suffix


def _picture(config: PicturesConfig, shown: Shown, boxes: list[Boxed], data: bytes, suffix: str) -> Picture:
    about = {
        "source": SOURCE,
        "name": f"{config.purpose}-{shown.number:06d}",
        "boxes": [each.record() for each in boxes],
        "scene": {"kind": type(shown.scene).__name__.lower(), "is_grey": shown.is_grey, **asdict(shown.scene)},
    }
    return Picture(
        key=shown.key,
        suffix=suffix,
        data=data,
        width=config.size,
        height=config.size,
        captions=captions(shown, config.seed),
        about=about,
    )
