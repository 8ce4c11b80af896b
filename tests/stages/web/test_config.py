from pathlib import Path

import pytest
from pydantic import ValidationError

from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"language": {"languages": ["EN"]}}, r"language\.languages = 'EN': must be .*did you mean 'en'"),
        ({"quality": {"stop_words": {"xx": ["a", "b"]}}}, r"quality\.stop_words = 'xx'"),
        ({"quality": {"min_word_chars_of": {"KO": 2}}}, r"quality\.min_word_chars_of = 'KO'"),
        ({"quality": {"min_stop_words": 9}}, r"quality\.min_stop_words = 9: must be at most 8, the stop words of 'en'"),
    ],
)
def test_settings_that_keep_nothing_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WebConfig(inputs="x", **change)


def test_another_model_may_have_other_languages_and_another_list_more_stop_words() -> None:
    assert WebConfig(inputs="x", language_model="m.bin", language={"languages": ["eng_Latn"]})
    assert WebConfig(inputs="x", language={"languages": ["de"]}, quality={"min_stop_words": 9})
    assert WebConfig(
        inputs="x", quality={"preset": "bloom", "min_stop_words": 9}, extraction={"gates": {"min_words": 1}}
    )


@pytest.mark.parametrize(
    "change",
    [
        {"language": {"languages": []}},
        {"read": {"max_page_mb": 1e-9}},
        {"extraction": {"max_newlines": 2**40}},
        {"extraction": {"memory_mb": 2**60}},
        {"extraction": {"timeout_s": 1e30}},
    ],
)
def test_numbers_that_no_machine_can_use_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WebConfig(inputs="x", **change)


def test_a_list_with_a_line_that_is_no_host_is_refused_by_plan(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("fine.example\nnews.example/path\n")
    files = {"inputs": warcs("a"), "url_lists": (InputFile(tmp_path / "b.txt", "blocked"),)}
    with pytest.raises(DataError, match=r"b\.txt:2: 'news\.example/path' is not a host"):
        WebConfig(inputs="x", url_lists={"blocked": "b.txt"}).plan(files)
