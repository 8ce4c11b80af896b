from pathlib import Path

from stages.formats.kinds import KINDS
from stages.report.collect import Block, collect
from stages.report.part import Material, Missing, Part, View, not_run
from stages.report.parts.table import PARTS
from stages.shared.contract import InputFile
from tests.stages.report.journey import START, made, make_run, write_curves, write_pages


def blocks_of(files: tuple[InputFile, ...], folder: Path) -> dict[str, Block]:
    return {block.anchor: block for block in collect(files, folder, START, PARTS)}


def test_every_part_of_a_finished_run_is_there_in_order(tmp_path: Path) -> None:
    blocks = blocks_of(make_run(tmp_path / "run"), tmp_path / "run")
    assert list(blocks) == ["pages", "tokens", "training", "evaluation", "generations", "timeline"]
    assert all(isinstance(block.view, View) for block in blocks.values())
    assert {block.note for block in blocks.values()} == {""}


def test_two_sections_of_a_kind_are_two_blocks_with_their_names(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    files = (
        made(KINDS.metrics, "single", write_curves(tmp_path / "a", steps=300)),
        made(KINDS.metrics, "parallel", write_curves(tmp_path / "b", steps=260)),
    )
    blocks = blocks_of(files, tmp_path)
    one, two = blocks["training"], blocks["training-2"]
    assert (one.title, two.title) == ("Training: single", "Training: parallel")
    assert isinstance(one.view, View)
    assert isinstance(two.view, View)
    assert (one.view.values["training"].last["step"], two.view.values["training"].last["step"]) == (300, 260)


def test_a_section_without_files_is_not_run_yet_and_does_not_hide_its_fellow(tmp_path: Path) -> None:
    files = (
        made(KINDS.metrics, "first", write_curves(tmp_path, steps=260)),
        made(KINDS.metrics, "second", tmp_path / "not there"),
    )
    blocks = blocks_of(files, tmp_path)
    assert isinstance(blocks["training"].view, View)
    missing = blocks["training-2"].view
    assert isinstance(missing, Missing)
    assert missing.reason.startswith("section second has not finished; meanwhile `tensorboard")


def test_half_of_a_section_is_shown_with_a_note(tmp_path: Path) -> None:
    there = [made(KINDS.funnel, "web", write_pages(tmp_path, dump), dump) for dump in ("a", "b")]
    blocks = blocks_of((*there, made(KINDS.funnel, "web", tmp_path / "c", "c")), tmp_path)
    assert isinstance(blocks["pages"].view, View)
    assert blocks["pages"].note == "Not complete: 2 of 3 files so far."


def test_a_part_of_which_the_run_has_no_section_is_left_out(tmp_path: Path) -> None:
    blocks = blocks_of((made(KINDS.layers, "pretrain", tmp_path / "layers"),), tmp_path)
    assert list(blocks) == ["timeline"]


def test_a_damaged_file_is_named_and_takes_no_other_part_with_it(tmp_path: Path) -> None:
    (tmp_path / "funnel.json").write_text("{}")
    files = (
        made(KINDS.funnel, "web", tmp_path / "funnel.json"),
        made(KINDS.metrics, "pretrain", write_curves(tmp_path, steps=260)),
    )
    blocks = blocks_of(files, tmp_path)
    damaged = blocks["pages"].view
    assert isinstance(damaged, Missing)
    assert (damaged.label, "funnel.json: not a funnel" in damaged.reason) == ("Damaged", True)
    assert isinstance(blocks["training"].view, View)


def test_a_part_is_given_the_files_of_its_kinds_that_exist_and_nothing_else(tmp_path: Path) -> None:
    for name in ("one", "two", "other"):
        (tmp_path / name).touch()
    seen: list[Material] = []

    def show(material: Material) -> Missing:
        seen.append(material)
        return not_run("")

    part = Part(title="Part", kinds=(KINDS.results, KINDS.samples), show=show)
    wanted = (
        made(KINDS.results, "s", tmp_path / "one"),
        made(KINDS.results, "s", tmp_path / "missing"),
        made(KINDS.samples, "s", tmp_path / "two"),
    )
    collect((*wanted, made(KINDS.facts, "s", tmp_path / "other")), tmp_path, START, {"part": part})
    assert seen == [Material(section="s", files=(wanted[0], wanted[2]), run_dir=tmp_path, made=START)]
    assert (seen[0].of(KINDS.results), seen[0].of(KINDS.samples)) == ([wanted[0]], [wanted[2]])
