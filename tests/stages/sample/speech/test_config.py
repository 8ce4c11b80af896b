"""Settings: what each purpose offers."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from stages.sample.exams import exam_files
from stages.sample.speech.config import EXAMS, SCORER, SpeechConfig


def test_each_purpose_offers_sounds_and_its_texts_from_one_section() -> None:
    for purpose, kind in (("transcripts", "chats"), ("questions", "chats"), ("exam", "definition")):
        plan = SpeechConfig.model_validate({"purpose": purpose}).plan({})
        assert {output.kind.name for output in plan.outputs} == {"sounds", kind}
    assert {output.file for output in plan.outputs} == {
        "sounds",
        SCORER,
        *(file for name in EXAMS for file in exam_files(name)),
    }


def test_many_sentences_are_several_units_and_an_exam_is_one() -> None:
    assert len(SpeechConfig(purpose="questions", sentences=12_000).plan({}).steps[0].units) == 3
    assert len(SpeechConfig(purpose="exam", sentences=12_000).plan({}).steps[0].units) == 1
    with pytest.raises(ValidationError):
        SpeechConfig.model_validate({"purpose": "captions"})
