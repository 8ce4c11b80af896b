from pathlib import Path

import pytest
from pydantic import ValidationError

from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.web.config import WebConfig
from stages.web.plan import unit_files


def warcs(*sources: str) -> tuple[InputFile, ...]:
    return tuple(InputFile(Path(f"{number}.warc.gz"), source) for number, source in enumerate(sources))


def test_a_unit_has_neighbours_of_one_source() -> None:
    files = warcs("a", "a", "a", "b", "b")
    assert [[file.path.stem[0] for file in group] for group in unit_files(files, 2)] == [["0", "1"], ["2"], ["3", "4"]]


def test_the_plan_has_a_unit_for_each_group_and_outputs_in_order() -> None:
    plan = WebConfig(inputs="x").plan({"inputs": warcs("a", "a", "b")})
    assert {step.name: len(step.units) for step in plan.steps} == {
        **dict.fromkeys(("extract", "filter", "signatures", "documents"), 3),
        **dict.fromkeys(("buckets", "cluster", "substrings", "urls"), 1),
    }
    documents = [(output.unit, output.source, output.file) for output in plan.outputs if output.kind == KINDS.documents]
    assert documents == [
        ("a/0.warc.gz", "a", KINDS.documents.file),
        ("a/1.warc.gz", "a", KINDS.documents.file),
        ("b/2.warc.gz", "b", KINDS.documents.file),
    ]
    assert {output.kind for output in plan.outputs} == {KINDS.documents, KINDS.rejects, KINDS.funnel, KINDS.tables}


def test_gates_that_would_lose_what_the_rules_keep_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"gates\.min_words = 60: must be at most 50"):
        WebConfig(inputs="x", extraction={"gates": {"min_words": 60}})
    with pytest.raises(ConfigError, match=r"gates\.min_wanted"):
        WebConfig(inputs="x", language={"min_score": 0.01})
    with pytest.raises(ConfigError, match=r"gates\.min_words = 40: must be at most 1:"):
        WebConfig(inputs="x", quality={"preset": "bloom"})
    assert WebConfig(inputs="x", quality={"preset": "bloom"}, extraction={"gates": {"min_words": 1}})
    assert WebConfig(inputs="x", extraction={"extractor": "trafilatura", "gates": {"min_words": 60}})


def test_there_are_never_more_parts_than_units() -> None:
    def parts(count: int) -> int:
        steps = WebConfig(inputs="x", exact={"parts": count}).plan({"inputs": warcs("a", "a", "b")}).steps
        return next(len(step.units) for step in steps if step.name == "substrings")

    assert [parts(count) for count in (1, 2, 3, 100)] == [1, 2, 3, 3]


def test_own_lists_are_read_by_the_filter_step_only_if_given() -> None:
    given = WebConfig(inputs="x", url_lists={"blocked": "b.txt"})
    plan = given.plan({"inputs": warcs("a"), "url_lists": (InputFile(Path("b.txt"), "blocked"),)})
    assert plan.steps[0].reads == ("inputs", "url_lists")
    assert WebConfig(inputs="x").plan({"inputs": warcs("a")}).steps[0].reads == ("inputs",)
    with pytest.raises(ConfigError, match=r"url_lists = 'colour': must be .*blocked, allowed"):
        given.plan({"inputs": warcs("a"), "url_lists": (InputFile(Path("b.txt"), "colour"),)})


def test_no_input_is_an_error_of_the_recipe() -> None:
    with pytest.raises(ConfigError, match=r"inputs = "):
        WebConfig(inputs="nothing/*.gz").plan({"inputs": ()})


def test_buckets_know_the_dumps_only_if_they_are_kept_apart() -> None:
    for scope, reads in (("all", ()), ("dump", ("inputs",))):
        steps = WebConfig(inputs="x", dedup={"scope": scope}).plan({"inputs": warcs("a", "b")}).steps
        (step,) = (step for step in steps if step.name == "buckets")
        assert step.reads == reads
        assert ("files_per_unit" in step.uses) == (scope == "dump")


def test_what_was_seen_is_in_other_dumps() -> None:
    assert WebConfig(inputs="x", seen="index.npz").seen == "index.npz"
    with pytest.raises(ConfigError, match=r"dedup\.scope = 'dump': must be all"):
        WebConfig(inputs="x", seen="index.npz", dedup={"scope": "dump"})


@pytest.mark.parametrize("change", [{"language": {"min_score": 1.5}}, {"urll": {}}, {"lines": {"max": 1}}])
def test_settings_that_make_no_sense_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WebConfig(inputs="x", **change)
