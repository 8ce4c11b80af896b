"""Settings: what each purpose offers, and what cannot be drawn."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from stages.sample.exams import exam_files
from stages.sample.pictures.config import CHOICES, PicturesConfig, exam_names
from stages.sample.pictures.questions import ASPECTS


def test_each_purpose_offers_pictures_and_its_texts_from_one_section() -> None:
    for purpose, kind in (("captions", "chats"), ("questions", "chats"), ("exam", "definition")):
        plan = PicturesConfig.model_validate({"purpose": purpose}).plan({})
        assert {output.kind.name for output in plan.outputs} == {"pictures", kind}
        assert {output.source for output in plan.outputs} == {purpose}
    assert {output.kind.name for output in PicturesConfig(purpose="notes").plan({}).outputs} == {"chats"}
    assert {output.file for output in plan.outputs} >= {file for name in exam_names() for file in exam_files(name)}


def test_many_pictures_are_several_units_and_an_exam_is_one() -> None:
    assert len(PicturesConfig(purpose="captions", pictures=50_000).plan({}).steps[0].units) == 3
    assert len(PicturesConfig(purpose="exam", pictures=50_000).plan({}).steps[0].units) == 1


def test_an_exam_has_options_for_every_aspect() -> None:
    assert CHOICES == ASPECTS


WRONG = [{"purpose": "exams"}, {"purpose": "exam", "size": 16}, {"purpose": "exam", "pictures": 3}]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_drawn_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PicturesConfig.model_validate(wrong)
