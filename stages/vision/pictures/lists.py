"""Readers of files that name pictures in a folder: LLaVA's JSON, COCO's captions and boxes, Conceptual Captions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from stages.formats.chat.rejects import Reject
from stages.formats.published.files import read_records
from stages.formats.published.turns import Turn, role_of, text_of
from stages.shared.errors import DataError
from stages.vision.pictures.samples import Place, Sample, Samples, inside, is_in_share

Belongs = Callable[[str], bool]
Record = Mapping[str, Any]


def list_samples(format_: str, paths: Sequence[Path], folder: Path, share: int, shares: int) -> Samples:
    """Yield the samples of a share of a source: those whose first picture's name belongs to it.

    Records that name no picture, or that cannot be read, belong to shares by their number. Raises DataError for a file
    that is damaged.
    """

    def belongs(name: str) -> bool:
        return is_in_share(name, share, shares)

    if format_ == "coco":
        yield from _coco(paths, folder, belongs)
        return
    for path in paths:
        for number, record in read_records(path) if format_ == "llava" else _lines(path):
            if belongs(_first_name(record) or str(number)):
                yield _placed(path, number, paths), _sample(format_, record, number, folder)


def _placed(path: Path, number: int, paths: Sequence[Path]) -> Place:
    return number if len(paths) == 1 else f"{path.name}:{number}"


def _first_name(record: Any) -> str:
    if isinstance(record, tuple):
        return str(record[-1])
    image = record.get("image") if isinstance(record, Mapping) else None
    first = image[0] if isinstance(image, list) and image else image
    return first if isinstance(first, str) else ""


def _sample(format_: str, record: Any, number: int, folder: Path) -> Sample | Reject:
    if isinstance(record, Reject):
        return record
    try:
        return _llava(record, number, folder) if format_ == "llava" else _captioned(record, number, folder)
    except Reject as reject:
        return reject
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return Reject("other_format", f"{type(error).__name__}: {error}")


def _llava(record: Record, number: int, folder: Path) -> Sample:
    """Return the sample of a record {id, image, conversations} or {image, caption}; `image` may be a list, or none."""
    image = record.get("image")
    names = [] if image is None else image if isinstance(image, list) else [image]
    name = str(record.get("id", number))
    pictures = [inside(folder, each) for each in names]
    if "conversations" not in record:
        return Sample(name=name, pictures=pictures, captions=(record["caption"],))
    turns = [Turn(role_of(turn["from"]), text_of(turn["value"], "value")) for turn in record["conversations"]]
    return Sample(name=name, pictures=pictures, turns=turns)


def _lines(path: Path) -> Iterator[tuple[int, tuple[str, ...] | Reject]]:
    """Yield the two fields of each line. Lines end at line feeds alone: a caption may hold other separators."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            fields = tuple(line.rstrip("\r\n").split("\t"))
            if any(fields):
                yield number, fields if len(fields) == 2 else Reject("other_format", f"{len(fields)} fields")


def _captioned(fields: tuple[str, str], number: int, folder: Path) -> Sample:
    """Return the sample of a caption and a name or URL.

    The picture of a URL has the last part of its path as name, or the line's number from 0 in nine digits.
    """
    caption, name = fields
    if "://" not in name:
        return Sample(name=name, pictures=[inside(folder, name)], captions=(caption,))
    last = unquote(urlsplit(name).path).rpartition("/")[2]
    names = [*([last] if last else []), f"{number - 1:09d}.jpg"]
    paths = [inside(folder, each) for each in names]
    return Sample(name=name, pictures=[next((path for path in paths if path.is_file()), paths[0])], captions=(caption,))


def _coco(paths: Sequence[Path], folder: Path, belongs: Belongs) -> Samples:
    """Yield one sample a picture, with its captions and boxes of all files."""
    files = [(path, _coco_file(path)) for path in paths]
    images = {image["id"]: image for _, value in files for image in value["images"]}
    kept = {number: image for number, image in images.items() if belongs(str(image.get("file_name")))}
    captions: dict[Any, list[Any]] = {number: [] for number in kept}
    boxes: dict[Any, list[Record]] = {number: [] for number in kept}
    for path, value in files:
        labels = {each["id"]: each["name"] for each in value.get("categories", ())}
        for place, each in enumerate(value["annotations"], start=1):
            number = each.get("image_id")
            if number not in images and belongs(str(number)):
                yield f"{path.name}:{place}", Reject("annotation_without_picture", f"image_id {number!r}")
            if number in kept and "caption" in each:
                captions[number].append(each["caption"])
            if number in kept and "bbox" in each:
                boxes[number].extend(_box(each, labels, kept[number]))
    for number, image in kept.items():
        yield str(number), _pictured(image, folder, captions[number], boxes[number])


def _pictured(image: Record, folder: Path, captions: Sequence[Any], boxes: Sequence[Record]) -> Sample | Reject:
    try:
        picture = inside(folder, image.get("file_name"))
    except Reject as reject:
        return reject
    return Sample(name=str(image["id"]), pictures=[picture], captions=captions, boxes=boxes)


def _box(annotation: Record, labels: Mapping[Any, str], image: Record) -> Iterable[Record]:
    """Return the box as LLaVA has it: corners from 0 to 1. None for a box without area or a picture without size."""
    left, top, width, height = annotation["bbox"]
    across, down = image.get("width") or 0, image.get("height") or 0
    if min(across, down, width, height) <= 0:
        return []
    corners = (left / across, top / down, (left + width) / across, (top + height) / down)
    label = labels.get(annotation.get("category_id"), str(annotation.get("category_id")))
    return [{"label": label, "box": [round(min(max(corner, 0.0), 1.0), 4) for corner in corners]}]


def _coco_file(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
        if not all(isinstance(value[name], list) for name in ("images", "annotations")):
            raise TypeError("images and annotations must be lists")
        for image in value["images"]:
            image["id"]
        return dict(value)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        remedy = "Give COCO's JSON with images and annotations"
        raise DataError(path, f"not COCO's format ({error!r})", remedy) from error
