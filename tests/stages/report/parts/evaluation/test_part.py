from pathlib import Path

from stages.report.part import Material, View
from stages.report.parts.evaluation.part import show, view
from stages.report.parts.evaluation.read import read
from tests.stages.report.journey import START, make_run


def material(folder: Path) -> Material:
    return Material(section="evaluate", files=make_run(folder), run_dir=folder, made=START)


def test_the_card_is_the_trained_models_score_beside_chance_and_the_untrained_model(tmp_path: Path) -> None:
    (card,) = show(material(tmp_path / "run")).cards
    assert (card.label, card.value, card.note) == ("facts acc", 0.96875, "chance 0.250; untrained 0.231")


def test_an_untrained_model_alone_has_a_table_and_no_card(tmp_path: Path) -> None:
    results = [one for one in read(material(tmp_path / "run")).values() if one.key.source == "untrained"]
    shown: View = view(results)
    assert shown.cards == ()
    assert [comparison.metric for comparison in shown.values["comparisons"]][:2] == ["acc", "acc_norm"]
