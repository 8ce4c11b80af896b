"""Settings: what each purpose offers."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from stages.sample.tools.config import EXAMS, ToolsConfig


def test_each_purpose_offers_its_kind_from_one_section() -> None:
    wanted = {"apis": "api_files", "requests": "api_questions", "notes": "documents", "exam": "definition"}
    for purpose, kind in wanted.items():
        plan = ToolsConfig.model_validate({"purpose": purpose}).plan({})
        assert {output.kind.name for output in plan.outputs} == {kind}
    assert len(plan.outputs) == 8 * len(EXAMS)
    with pytest.raises(ValidationError):
        ToolsConfig.model_validate({"purpose": "answers"})
