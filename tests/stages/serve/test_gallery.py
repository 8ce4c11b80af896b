from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from stages.generate.features import Features
from stages.model.checkpoint.load import load_model
from stages.model.sight import Sight
from stages.serve.gallery import NOTHING, Gallery
from stages.serve.problems import Problem
from tests.stages.evaluate.seeing import QUERIES
from tests.stages.serve.conftest import Models
from tests.stages.serve.world import SEEING


@pytest.fixture(scope="module")
def eyes(models: Models) -> Sight:
    found = load_model(Path(models[0][SEEING])).sense
    assert isinstance(found, Sight)
    return found


def image(shade: int) -> Image.Image:
    return Image.new("RGB", (8, 8), (shade, 0, 0))


def test_pictures_stay_while_someone_holds_them_and_the_oldest_others_give_way(eyes: Sight) -> None:
    features = Features()
    gallery = Gallery(eyes, features, most=2 * QUERIES)
    first = gallery.hold({"a": image(1)})
    gallery.look({"a": image(1)})
    more = first.again()
    first.release()
    first.release()
    assert gallery.positions("a") == QUERIES
    with pytest.raises(Problem) as refused:
        gallery.hold({"b": image(2), "c": image(3)})
    assert refused.value.status == 503
    both = gallery.hold({"a": image(1), "b": image(2)})
    gallery.look({"a": image(1), "b": image(2)})
    more.release()
    both.release()
    assert "a" in features
    last = gallery.hold({"c": image(3)})
    gallery.look({"c": image(3)})
    last.release()
    assert [key in features for key in "abc"] == [False, True, True]
    NOTHING.again().release()


def test_a_hold_that_is_forgotten_is_released(eyes: Sight) -> None:
    gallery = Gallery(eyes, Features(), most=QUERIES)
    held = gallery.hold({"a": image(1)})
    del held
    gc.collect()
    gallery.hold({"b": image(2)}).release()


def test_many_threads_encode_a_picture_once_and_leave_nothing_held(
    eyes: Sight, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = []
    rows = eyes.rows
    monkeypatch.setattr(eyes, "rows", lambda cut: encoded.append(len(cut.squares)) or rows(cut))
    gallery = Gallery(eyes, Features(), most=3 * QUERIES)

    def use(number: int) -> None:
        images = {str(number % 3): image(number % 3)}
        held = gallery.hold(images)
        gallery.look(images)
        held.release()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(60)))
    assert encoded == [1, 1, 1]
    assert not gallery._uses
