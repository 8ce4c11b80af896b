from typing import Any

import numpy as np
import pytest

from stages.formats.funnel import merge, read_funnel
from stages.formats.kinds import KINDS
from stages.shared.errors import ConfigError, DataError
from stages.web.artifacts import MEASURES
from stages.web.tune import STEPS, Change, compare, run
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


def test_the_tool_returns_its_counts_in_the_order_of_the_steps(sample_run: Any) -> None:
    quality = sample_run.config.quality.model_copy(update={"min_words": 120})
    other = sample_run.config.model_copy(update={"quality": quality})
    units = all_units(sample_run.folder, "extract")[:1]
    found = run(sample_run.config, other, units, 4)
    now, then = compare(units, sample_run.config, other)
    assert (found.pages, found.units, found.of_units) == (now.pages, 1, 4)
    steps = [change.step for change in found.changes]
    assert steps == sorted(steps, key=[*STEPS, "kept"].index)
    assert found.changes[-2:] == (
        Change("kept", "pages", now.kept, then.kept),
        Change("kept", "tokens", now.tokens, then.tokens),
    )
    few = next(change for change in found.changes if change.name == "too_few_words")
    assert few.after > few.before
    assert any("deduplication" in text for text in found.not_judged) and "after" not in " ".join(found.not_judged)


def test_the_tool_names_the_language_rule_where_it_is_not_judged(sample_run: Any) -> None:
    language = sample_run.config.language.model_copy(update={"position": "after"})
    config = sample_run.config.model_copy(update={"language": language})
    assert any("language" in text for text in run(config, config, [], 4).not_judged)


def test_another_setting_of_extraction_is_refused_by_name(sample_run: Any) -> None:
    extraction = sample_run.config.extraction.model_copy(update={"max_newlines": 3})
    other = sample_run.config.model_copy(update={"extraction": extraction})
    with pytest.raises(ConfigError, match=r"^extraction = .*pages must be extracted again"):
        run(sample_run.config, other, [], 4)
    language = sample_run.config.language.model_copy(update={"sample_chars": 500})
    with pytest.raises(ConfigError, match=r"^language\.sample_chars = 500: must be as it was in the run"):
        run(sample_run.config, sample_run.config.model_copy(update={"language": language}), [], 4)


def test_changed_settings_that_are_not_judged_are_named(sample_run: Any) -> None:
    lines = sample_run.config.lines.model_copy(update={"max_uppercase": 0.9})
    dedup = sample_run.config.dedup.model_copy(update={"seed": 2})
    other = sample_run.config.model_copy(update={"lines": lines, "dedup": dedup, "files_per_unit": 3})
    found = run(sample_run.config, other, all_units(sample_run.folder, "extract")[:1], 4)
    assert found.without_effect == ("dedup.seed", "files_per_unit", "lines.max_uppercase")
    assert run(sample_run.config, sample_run.config, [], 4).without_effect == ()
