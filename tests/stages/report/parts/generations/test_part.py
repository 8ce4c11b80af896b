from pathlib import Path

from stages.formats.kinds import KINDS
from stages.report.part import Material, Missing, View
from stages.report.parts.generations.part import show
from tests.stages.report.journey import START, made, make_run


def test_the_untrained_model_comes_first_under_every_prompt(tmp_path: Path) -> None:
    shown = show(Material(section="evaluate", files=make_run(tmp_path / "run"), run_dir=tmp_path, made=START))
    assert isinstance(shown, View)
    prompts = shown.values["prompts"]
    assert list(prompts) == ["The flag of Ashby is", "Question: What is made in Wells? Answer:"]
    assert [[one.source for one in found] for found in prompts.values()] == [["untrained", "final"]] * 2


def test_a_file_without_continuations_is_nothing_to_show(tmp_path: Path) -> None:
    (tmp_path / "generations").touch()
    files = (made(KINDS.generations, "evaluate", tmp_path / "generations"),)
    assert isinstance(show(Material(section="evaluate", files=files, run_dir=tmp_path, made=START)), Missing)
