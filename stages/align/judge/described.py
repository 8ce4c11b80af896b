"""Pictures as text, for a judge that sees none: their captions and boxes, as LLaVA's judge reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from stages.align.judge.pairs import Pair
from stages.formats.chat.chats import Message, Part
from stages.formats.pictures.collections import Collection, Picture
from stages.shared.contract import InputFile
from stages.shared.errors import DataError


def descriptions(files: Sequence[InputFile], pairs: Iterable[Pair]) -> dict[str, str]:
    """Return the description of each picture in the prompts of pairs, by key; none without collections.

    Raises DataError for a picture that no collection has.
    """
    wanted = {
        part.key for pair in pairs for message in pair.prompt.messages for part in message.parts if is_picture(part)
    }
    if not files or not wanted:
        return {}
    found: dict[str, str] = {}
    for file in files:
        with Collection(file.path) as pictures:
            places = pictures.positions(wanted - found.keys())
            found.update((key, description(pictures[place])) for key, place in places.items())
    if missing := sorted(wanted - found.keys()):
        remedy = "Give all collections of the prompts' pictures in `pictures`"
        raise DataError(files[-1].path, f"lacks {len(missing)} pictures of the prompts", remedy, record=missing[0])
    return found


def is_picture(part: Part) -> bool:
    """Return whether a part is a picture."""
    return part.type == "picture"


def description(picture: Picture) -> str:
    """Return captions, a line each, then boxes as `label: [x1, y1, x2, y2]`."""
    boxes = (
        f"{box['label']}: [{', '.join(f'{at:.3f}' for at in box['box'])}]" for box in picture.about.get("boxes", ())
    )
    return "\n".join(["[picture]", *picture.captions, *boxes, "[end of picture]"])


def described(messages: Sequence[Message], pictures: Mapping[str, str]) -> tuple[Message, ...]:
    """Return messages with the descriptions of pictures in their place."""

    def shown(part: Part) -> Part:
        return Part("text", pictures[part.key]) if is_picture(part) and part.key in pictures else part

    return tuple(Message(each.role, tuple(map(shown, each.parts))) for each in messages)
