"""Every step that the web stage can give is explained; tests/stages/text/test_reasons.py asks for every reason."""

from __future__ import annotations

from stages.report.parts.pages.meanings import step_meaning
from stages.sample.kinds import REASON_OF, STEP_OF
from stages.text.reasons import explain


def test_every_step_and_reason_that_the_sample_plants_is_explained() -> None:
    assert all(step_meaning(step) for step in STEP_OF.values())
    assert all(explain(reason) for reason in REASON_OF.values())


def test_an_unknown_name_has_no_explanation() -> None:
    assert step_meaning("new step") == ""
