from dataclasses import replace
from pathlib import Path

from stages.formats.results import Base, Sample
from stages.report.part import Material, View
from stages.report.parts.evaluation.board import leaderboard
from stages.report.parts.evaluation.comparison import compare
from stages.report.parts.evaluation.flips import flips
from stages.report.parts.evaluation.part import show, view
from stages.report.parts.evaluation.read import read
from stages.report.parts.evaluation.verdicts import duel
from tests.stages.report.journey import START, make_run
from tests.stages.report.test_page import page_of, parse
from tests.stages.report.training_scores import TASKS, MadeUp, write_training_scores


def sample(prompt: str) -> Sample:
    return Sample(task="gsm8k_cot", filter="", arguments=((prompt, {}),), responses=("7",), filtered=("7",), target="7")


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


def test_flipped_samples_are_shown_with_the_place_of_their_files(tmp_path: Path) -> None:
    files = write_training_scores(tmp_path / "run", ("step-1", "step-2"), [replace(TASKS[0], questions=40)])
    shown = show(Material(section="evaluate", files=files, run_dir=tmp_path / "run", made=START))
    page = page_of(evaluation=shown)
    assert 0 < len(shown.values["flips"]) == shown.values["flipped"]
    assert "<code>step-2/piqa/samples.jsonl</code> \u00b7 <code>step-1/piqa/samples.jsonl</code>" in page
    assert str(tmp_path) not in page
    without = Material(section="evaluate", files=files[::2], run_dir=tmp_path / "run", made=START)
    page = page_of(evaluation=show(without))
    assert "Their samples are not here." in page


def test_a_fine_tuned_checkpoint_is_compared_with_its_base_and_its_questions_can_be_read(tmp_path: Path) -> None:
    tasks = [replace(each, questions=40) for each in TASKS[:2]]
    names = ("untrained", "final", "untrained~2", "final~2")
    files = write_training_scores(tmp_path / "run", names, tasks, {"final~2": Base("untrained~2", is_chosen=False)})
    shown = show(Material(section="evaluate", files=files, run_dir=tmp_path / "run", made=START))
    (tax,) = shown.values["taxes"]
    assert (tax["duel"].one, tax["duel"].other) == ("final~2", "untrained~2")
    changed = {judged.task.column.task: judged.task.won + judged.task.lost for judged in tax["duel"].tasks}
    assert {task: sum(each.flip.task == task for each in tax["flips"]) for task in changed} == changed
    page = page_of(evaluation=shown)
    assert "What the fine-tuning cost and gained" in page
    assert page.count('<details class="items"') == sum(map(bool, changed.values())) > 0
    assert next((each.one, each.other) for each in shown.values["duels"]) == ("final~2", "final")
    assert "What the fine-tuning" not in page_of(evaluation=view([*read(material(tmp_path / "other")).values()]))


def test_all_others_are_compared_with_the_base_that_the_recipe_names(tmp_path: Path) -> None:
    names = ("untrained", "step-1", "step-2", "step-3")
    bases = {name: Base("step-1", is_chosen=True) for name in names if name != "step-1"}
    files = write_training_scores(tmp_path / "run", names, [replace(TASKS[0], questions=40)], bases)
    shown = show(Material(section="evaluate", files=files, run_dir=tmp_path / "run", made=START))
    duels = [(each.one, each.other) for each in shown.values["duels"]]
    assert duels == [("step-3", "step-2"), ("step-3", "untrained"), ("step-2", "untrained")]
    assert [tax["duel"].one for tax in shown.values["taxes"]] == ["step-3", "step-2", "untrained"]
    page = page_of(evaluation=shown)
    assert "Gains and losses against <bdi>step-1</bdi>" in page
    assert "What the fine-tuning" not in page
    assert "<bdi>step-3</bdi> and <bdi>step-1</bdi> answer" in page, "the samples that flipped are theirs"


def test_prompts_in_two_forms_are_both_shown(tmp_path: Path) -> None:
    files = write_training_scores(tmp_path / "run", ("base", "tuned"), [replace(TASKS[4], questions=40)])
    results = read(Material(section="evaluate", files=files, run_dir=tmp_path / "run", made=START))
    plain, tuned = results["base/gsm8k_cot"], results["tuned/gsm8k_cot"]
    asked = replace(tuned, key=replace(tuned.key, chat="chat"), withheld=2)
    duels = [duel("tuned", "base", leaderboard([plain, asked], compare([plain, asked])).columns)]
    found = flips([plain, asked], duels[0])
    texts = {found[0].one: sample("<user>"), found[0].other: sample("plain")}
    page = page_of(evaluation=view([plain, asked], texts, {}, {"tuned": Base("base", is_chosen=False)}))
    tax = page[page.index("What the fine-tuning") :]
    assert "8-shot, chat" in tax
    assert "To <bdi>tuned</bdi>, 8-shot, chat" in tax
    assert "To <bdi>base</bdi>, 8-shot:" in tax
    assert '<small class="cut" data-withheld="2">2 answers withheld by a filter</small>' in tax
    assert "data-unfinished" not in tax, "nothing stands where there is none"


def test_thirty_checkpoints_on_forty_tasks_stay_one_page(tmp_path: Path) -> None:
    tasks = [MadeUp(f"task_{n}", "acc", 0.6, questions=20) for n in range(40)]
    names = [f"step-{n}" for n in range(1, 31)]
    files = write_training_scores(tmp_path, names, tasks)
    shown = show(Material(section="evaluate", files=files, run_dir=tmp_path, made=START))
    page = page_of(evaluation=shown)
    assert page.count('<tr data-source="step-') == 30
    assert page.count('data-choice="') == 60
    assert page.count('data-figure="chart-curve-') == 24
    assert page.count('class="flip"') <= 60
    assert "16 more tasks without a curve" in page
    assert len(page) < 10e6
    assert len(parse(page).ids) == len(set(parse(page).ids))


def test_what_was_cut_to_fit_stands_beside_the_score(tmp_path: Path) -> None:
    result = read(material(tmp_path / "run"))["final/facts"]
    page = page_of(evaluation=view([replace(result, cut_requests=3, dropped_examples=12)]))
    board, _, table = page.partition('id="scores"')
    for text in (board, table):
        assert "3 prompts cut to fit" in text
        assert "12 solved examples left out to fit" in text
    assert "to fit" not in page_of(evaluation=view([result]))
