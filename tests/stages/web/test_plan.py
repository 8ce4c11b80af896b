from pathlib import Path

import pytest

from stages.shared.contract import InputFile, parts
from stages.web.config import WebConfig
from stages.web.plan import Load

SIXTEEN = tuple(InputFile(Path(f"{number}.warc.gz"), "a", 1000.0) for number in range(16))


def names(config: WebConfig) -> list[str]:
    return [step.name for step in config.plan({"inputs": SIXTEEN}).steps]


def test_steps_that_are_switched_off_are_not_there_and_nobody_waits_for_them() -> None:
    assert names(WebConfig(inputs="x")) == [
        *("extract", "filter", "signatures", "buckets", "cluster", "substrings", "urls", "documents")
    ]
    assert names(WebConfig(inputs="x", write_index=True))[-1] == "index"
    off = {"enabled": False}
    bare = WebConfig(inputs="x", dedup=off, exact=off, url_dedup=off)
    assert names(bare) == ["extract", "filter", "documents"]
    for config in (WebConfig(inputs="x", dedup=off), WebConfig(inputs="x", exact=off), bare):
        plan = config.plan({"inputs": SIXTEEN})
        known = {step.name for step in plan.steps}
        assert all({after.step for after in step.after} <= known for step in plan.steps)


def test_every_setting_is_part_of_some_steps_identity() -> None:
    config = WebConfig(inputs="x", write_index=True)
    uses = {name for step in config.plan({"inputs": SIXTEEN}).steps for name in step.uses}
    whole = {name.partition(".")[0] for name in uses}
    assert whole | {"inputs", "url_lists", "language_model", "seen", "write_index", "files_per_unit"} == set(
        WebConfig.model_fields
    )
    for section in ("dedup", "exact", "url_dedup", "language", "extraction"):
        settings = set(type(getattr(config, section)).model_fields)
        named = {name.partition(".")[2] for name in uses if name.startswith(f"{section}.")}
        without_bytes = {"memory_mb"} if section == "dedup" else set()
        assert section in uses or named | without_bytes == settings, section


@pytest.mark.parametrize(
    "change", [{"quality": {"min_words": 60}}, {"language": {"min_score": 0.7}}, {"lines": {"max_uppercase": 0.7}}]
)
def test_another_threshold_does_not_touch_the_identity_of_extraction(change: dict[str, object]) -> None:
    before = WebConfig(inputs="x").plan({"inputs": SIXTEEN}).steps[0]
    changed = WebConfig(inputs="x", **change)
    assert changed.plan({"inputs": SIXTEEN}).steps[0] == before
    for name in before.uses:
        section, _, setting = name.partition(".")
        old, new = (getattr(config, section) for config in (WebConfig(inputs="x"), changed))
        assert (getattr(old, setting), 0) == (getattr(new, setting), 0) if setting else old == new


def test_languages_are_part_of_extraction_only_where_its_gates_use_them() -> None:
    def uses(**settings: object) -> tuple[str, ...]:
        return WebConfig(inputs="x", **settings).plan({"inputs": SIXTEEN}).steps[0].uses

    assert "language.languages" in uses()
    assert "language.languages" not in uses(extraction={"extractor": "trafilatura"})
    assert "language.languages" not in uses(language={"position": "after"})


def test_estimates_grow_with_the_input_and_memory_of_a_unit_does_not() -> None:
    one, four = (Load(units=parts(count), mb=1000, has_choice=True) for count in (1, 4))
    assert four.all_kept == 4 * one.all_kept
    small, large = (WebConfig(inputs="x").plan({"inputs": files}).steps for files in (SIXTEEN[:4], SIXTEEN))
    for before, after in zip(small, large, strict=True):
        total = after.core_seconds * len(after.units) / (before.core_seconds * len(before.units))
        assert 1 <= total <= 4.01
        if len(after.units) > len(before.units):
            assert after.mem_mb == before.mem_mb
