from itertools import pairwise

import pytest
from pydantic import ValidationError

from stages.formats.kinds import KINDS
from stages.sample.config import SampleConfig
from stages.shared.errors import ConfigError


def test_every_page_is_in_exactly_one_unit_in_order() -> None:
    for pages, files in [(250, 1), (251, 3), (1_000, 7), (999_999, 11)]:
        config = SampleConfig(pages=pages, files_per_dump=files)
        ranges = [config.pages_of(place) for place in range(2 * files)]
        assert ranges[0].start == 0 and ranges[-1].stop == pages
        assert all(left.stop == right.start for left, right in pairwise(ranges))
        assert max(map(len, ranges)) - min(map(len, ranges)) <= 1


def test_the_plan_names_a_warc_file_and_a_key_for_each_unit_and_the_facts_once() -> None:
    plan = SampleConfig(dumps=("red", "blue"), files_per_dump=2).plan({})
    assert [(step.name, len(step.units)) for step in plan.steps] == [("", 4)]
    warcs = [(output.unit, output.file, output.source) for output in plan.outputs if output.kind == KINDS.warc]
    assert warcs == [
        ("red-00000", "red-00000.warc.gz", "red"),
        ("red-00001", "red-00001.warc.gz", "red"),
        ("blue-00000", "blue-00000.warc.gz", "blue"),
        ("blue-00001", "blue-00001.warc.gz", "blue"),
    ]
    units = [unit.key for unit in plan.steps[0].units]
    assert [output.unit for output in plan.outputs if output.kind == KINDS.key] == units
    assert [output.unit for output in plan.outputs if output.kind == KINDS.facts] == units[:1]


def test_every_setting_is_part_of_the_identity() -> None:
    assert {*SampleConfig().plan({}).steps[0].uses, "instructions", "preferences", "edits"} == set(
        SampleConfig.model_fields
    )


def test_instructions_are_one_more_step_and_change_no_page() -> None:
    plain, more = SampleConfig().plan({}), SampleConfig(instructions=True).plan({})
    assert more.steps[:1] == plain.steps
    assert more.outputs[: len(plain.outputs)] == plain.outputs
    made = [(output.kind.name, output.source) for output in more.outputs if output.step == "instructions"]
    assert [source for kind, source in made if kind == "task_files"] == [
        "animal_en", "animal_zh", "colour_en", "colour_zh", "price_en", "price_zh", "trade_en", "trade_zh",
    ]  # fmt: skip
    assert {kind for kind, _ in made} == {"task_files", "definition", "chats", "instruction_files"}


@pytest.mark.parametrize("pages", [199, 1_000_001, -5])
def test_sizes_outside_the_range_are_refused(pages: int) -> None:
    with pytest.raises(ValidationError, match="pages"):
        SampleConfig(pages=pages)


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "$(reboot)", "-x"])
def test_a_dump_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="dumps"):
        SampleConfig(dumps=(name, "other"))


def test_two_dumps_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"dumps.*different"):
        SampleConfig(dumps=("same", "same"))


def test_more_files_than_pages_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"files_per_dump"):
        SampleConfig(pages=250, files_per_dump=126)


def test_the_chinese_pages_come_on_top_of_the_others() -> None:
    assert [SampleConfig(chinese=share).num_chinese for share in (0, 0.2, 0.5)] == [0, 50, 200]
    assert SampleConfig(chinese=0, pages=200).pages == 200


@pytest.mark.parametrize(
    ("share", "pages", "field"), [(0.1, 3_000, "chinese"), (0.2, 249, "pages"), (0.9, 1_999, "pages")]
)
def test_a_sample_too_small_for_a_page_of_each_kind_is_refused(share: float, pages: int, field: str) -> None:
    with pytest.raises(ConfigError, match=rf"{field}.*at least"):
        SampleConfig(chinese=share, pages=pages)
