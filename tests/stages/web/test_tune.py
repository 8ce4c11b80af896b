from typing import Any

import numpy as np
import pytest

from stages.formats.funnel import merge, read_funnel
from stages.formats.kinds import KINDS
from stages.shared.errors import DataError
from stages.web.artifacts import MEASURES
from stages.web.tune import STEPS, compare
from tests.stages.harness import all_units, unit_folder


def test_what_is_judged_from_measures_is_what_the_filter_step_has_counted(sample_run: Any) -> None:
    units = all_units(sample_run.folder, "extract")
    now, then = compare(units, sample_run.config, sample_run.config)
    filtered = all_units(sample_run.folder, "filter")
    funnel = {step.name: step for step in merge(read_funnel(unit / KINDS.funnel.file) for unit in filtered)}
    counted = {(step, reason): count for step in STEPS for reason, count in funnel[step].reasons.items()}
    assert now.dropped == then.dropped == counted and counted
    assert (now.pages, now.kept, now.tokens) == (
        funnel["language"].pages_in,
        funnel["quality"].pages_out,
        funnel["quality"].tokens,
    )


def test_other_thresholds_are_judged_on_the_same_rows(sample_run: Any) -> None:
    quality = sample_run.config.quality.model_copy(update={"min_words": 120})
    language = sample_run.config.language.model_copy(update={"min_score": 0.999})
    other = sample_run.config.model_copy(update={"quality": quality, "language": language})
    now, then = compare([unit_folder(sample_run.folder, "extract", 0)], sample_run.config, other)
    assert then.kept < now.kept and then.pages == now.pages
    assert then.dropped["language", "low_score"] > now.dropped.get(("language", "low_score"), 0)
    assert then.kept + sum(then.dropped.values()) == then.pages


def test_measures_of_another_version_are_not_judged(sample_run: Any, tmp_path: Any) -> None:
    np.save(tmp_path / MEASURES.name, np.zeros(3, dtype=[("words", "<i4")]))
    with pytest.raises(DataError, match=r"measures\.npy: .*another version.*Run the step `extract` again"):
        compare([tmp_path], sample_run.config, sample_run.config)
