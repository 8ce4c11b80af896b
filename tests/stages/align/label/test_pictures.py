"""Pictures on the page: copies of what a collection has, in the order of the message, and inert names."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.align.label.config import LabelConfig
from stages.align.label.desk import Desk
from stages.align.label.pictures import read_picture
from stages.formats.chat.chats import Message, Part
from stages.formats.pictures.collections import CollectionWriter, Picture
from stages.formats.pictures.tars import key_of
from stages.formats.preferences import Candidates, Response, read_candidates, write_candidates
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from tests.stages.align.label.test_serve import HOSTILE, enter, in_browser, serving
from tests.stages.harness import run_unit
from tests.stages.pictures.made import drawn, encoded
from tests.stages.report.browser import Browser

DATA = [encoded(drawn(40, 30, seed), "JPEG") for seed in range(2)]
KEYS = [key_of(data) for data in DATA]


def collected(folder: Path, *keys: str) -> Path:
    """Return the folder of candidates whose prompt shows pictures between texts."""
    with CollectionWriter(folder / "pictures") as writer:
        for key, data in zip(KEYS, DATA, strict=True):
            writer.add(Picture(key=key, suffix="jpg", data=data, width=40, height=30), 0, bytes(48))
    parts = [part for key in keys for part in (Part("text", HOSTILE[0]), Part("picture", key=key))]
    item = Candidates(prompt=(Message("user", tuple(parts)),), responses=(Response("a"), Response("b")))
    write_candidates(folder / "c.jsonl", [item])
    config = LabelConfig.model_validate({"candidates": "x", "pictures": "x"})
    inputs = {
        "candidates": (InputFile(folder / "c.jsonl", "c", 0.1),),
        "pictures": (InputFile(folder / "pictures", "p", 0.1),),
    }
    run_unit(config, config.plan(inputs).steps[0], 0, inputs, folder)
    (out,) = (folder / "steps" / "collect").iterdir()
    return out


def desk(out: Path, folder: Path) -> Desk:
    return Desk(list(read_candidates(out / "candidates.jsonl")), folder / "labels", (), 0, out)


def test_a_prompt_shows_its_pictures_in_their_places(tmp_path: Path) -> None:
    out = collected(tmp_path, *KEYS)
    (message,) = desk(out, tmp_path).view("ada")["item"]["prompt"]
    assert [part["text"] for part in message["parts"]] == [HOSTILE[0], KEYS[0], HOSTILE[0], KEYS[1]]
    urls = [part.get("picture", "") for part in message["parts"]]
    assert [url.startswith("data:image/webp;base64,") for url in urls] == [False, True] * 2
    assert urls[1] != urls[3]


def test_a_picture_that_no_collection_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'../../etc/passwd\\n<svg>': lacks 1 of the pictures"):
        collected(tmp_path, KEYS[0], "../../etc/passwd\n<svg>")
    assert read_picture(tmp_path, "../c.jsonl") == ""


@in_browser
def test_the_page_draws_pictures_and_texts_that_look_like_tags_stay_texts(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = collected(tmp_path, *KEYS)
    with Browser(tmp_path_factory.mktemp("profile")) as browser, serving(desk(out, tmp_path)) as server:
        enter(browser, server.address, "ada")
        images = "[...document.querySelectorAll('#prompt img')]"
        assert browser.ask(f"return {images}.map(image => image.alt)") == [f"picture {key}" for key in KEYS]
        assert browser.ask(f"return Promise.all({images}.map(i => i.decode().then(() => i.naturalWidth)))") == [40, 40]
        assert browser.ask("return document.title") == "Which response is better?"
        assert browser.complaints() == []
        assert [url for url in browser.requests() if not url.startswith((server.address, "data:"))] == []
