import json
from pathlib import Path
from typing import Any

import pytest

from stages.evaluate.catalog.checks import check_cell
from stages.evaluate.cells import SUITES
from stages.evaluate.config import EvaluateConfig, bases_of
from stages.formats.benchmarks.index import read_index
from stages.formats.benchmarks.layout import folder_of
from stages.formats.kinds import KINDS
from stages.formats.results import Base, base_of
from stages.model.checkpoint.settings import PlannedModel
from stages.model.config import ModelConfig
from stages.shared.contract import PARTS, After, InputFile, Unit
from stages.shared.errors import ConfigError, DataError
from stages.shared.files import sha256_file, write_json
from tests.stages.align.ppo.world import settings as ppo_settings
from tests.stages.model.folders import random_release

FILE = (InputFile(Path("file"), ""),)
INPUTS = {
    "checkpoints": tuple(InputFile(Path(name), name) for name in ("final", "untrained")),
    "tokenizer": FILE,
    "heldout": FILE,
    "facts": FILE,
    "datasets": tuple(
        InputFile(Path("/hf/datasets", name, "0.0.0/x"), "")
        for name in ("Rowan___hellaswag/default", "allenai___ai2_arc/ARC-Easy", "baber___piqa/default")
    ),
}


def units(inputs: dict[str, tuple[InputFile, ...]], **settings: Any) -> dict[str, Unit]:
    *_, step = EvaluateConfig.model_validate(settings).plan(inputs).steps
    return {unit.key: unit for unit in step.units}


def test_a_unit_is_one_checkpoint_and_one_task() -> None:
    plan = EvaluateConfig.model_validate({"tasks": ["perplexity", "generate", "hellaswag"]}).plan(INPUTS)
    *_, step = plan.steps
    assert [unit.key for unit in step.units] == [
        "final/perplexity", "final/generate", "final/hellaswag",
        "untrained/perplexity", "untrained/generate", "untrained/hellaswag",
    ]  # fmt: skip
    found = [(output.unit, output.source, output.file) for output in plan.outputs if output.kind != KINDS.samples]
    assert found[:3] == [
        ("final/perplexity", "final", "results.json"),
        ("final/generate", "final", "generations.jsonl"),
        ("final/hellaswag", "final", "results.json"),
    ]


def test_one_more_task_leaves_every_other_unit_as_it_is() -> None:
    before = units(INPUTS, tasks=("perplexity",))
    for more in ("facts", "generate", "hellaswag"):
        after = units(INPUTS, tasks=(more, "perplexity"))
        assert {key: after[key] for key in before} == before
        assert after.keys() - before.keys() == {f"final/{more}", f"untrained/{more}"}


def test_a_task_that_brings_its_own_data_leaves_every_other_unit_as_it_is() -> None:
    without = {name: files for name, files in INPUTS.items() if name != "facts"}
    before = units(without, tasks=("perplexity", "generate"))
    after = units(INPUTS, tasks=("perplexity", "generate", "facts"))
    assert {key: after[key] for key in before} == before


def test_one_more_checkpoint_leaves_every_other_unit_as_it_is() -> None:
    before = units(INPUTS, tasks=("perplexity", "generate"))
    step = InputFile(Path("step-0000100"), "step-0000100")
    after = units({**INPUTS, "checkpoints": (step, *INPUTS["checkpoints"])}, tasks=("perplexity", "generate"))
    assert {key: after[key] for key in before} == before
    assert after.keys() - before.keys() == {"step-0000100/perplexity", "step-0000100/generate"}


def test_a_conversation_with_a_model_that_is_not_here_is_refused_with_the_nearest() -> None:
    asked = [{"task": "hellaswag", "chat": {"models": ["finale"]}}]
    for settings, where in (({"tasks": asked}, "tasks.0.chat"), ({"chat": {"models": ["finale"]}}, "chat")):
        with pytest.raises(ConfigError, match=rf"^{where}.models = 'finale': .*; did you mean 'final'\?"):
            units(INPUTS, **settings)
    found = units(INPUTS, tasks=("hellaswag",), chat={"models": ["final"]})
    assert list(found) == ["final/hellaswag@chat", "untrained/hellaswag"]


def test_a_unit_reads_its_checkpoint_and_its_tasks_data_alone() -> None:
    found = units(INPUTS, tasks=("perplexity", "facts", "generate", "hellaswag"))
    hidden = {key: {name for name, files in each.inputs.items() if not files} for key, each in found.items()}
    assert all("tokenizers" in fields for fields in hidden.values()), "these are of endpoints"
    assert all("corpus" in fields for fields in hidden.values()), "it is searched by tools"
    hidden = {key: fields - {"tokenizers", "corpus"} for key, fields in hidden.items()}
    assert {key: hidden[f"final/{key}"] for key in ("perplexity", "facts", "generate", "hellaswag")} == {
        "perplexity": {"facts", "toxicity", "datasets", "definitions", "pictures", "sounds"},
        "facts": {"heldout", "toxicity", "datasets", "definitions", "pictures", "sounds"},
        "generate": {"heldout", "facts", "toxicity", "datasets", "definitions", "pictures", "sounds"},
        "hellaswag": {"heldout", "facts", "toxicity", "definitions", "pictures", "sounds"},
    }
    assert found["final/hellaswag"].inputs["datasets"] == INPUTS["datasets"][:1]
    assert found["untrained/facts"].inputs["checkpoints"] == INPUTS["checkpoints"][1:]


def test_a_unit_uses_the_settings_of_its_task_alone() -> None:
    found = units(INPUTS, tasks=("perplexity", "facts", "generate", "hellaswag"))
    assert {key.partition("/")[2]: unit.uses for key, unit in found.items()} == {
        "perplexity": ("perplexity",),
        "facts": (),
        "generate": ("generate",),
        "hellaswag": (),
    }


def test_a_list_of_shots_seeds_or_variants_makes_a_cell_of_each() -> None:
    piqa = {"task": "piqa", "num_fewshot": [0, 5], "variant": ["", "llama"], "seed": 7}
    found = units(INPUTS, tasks=[piqa, {"task": "arc_easy", "num_fewshot": 25}], limit=40)
    assert [key for key in found if key.startswith("final")] == [
        "final/piqa@seed7,first40",
        "final/piqa@0-shot,seed7,first40,llama",
        "final/piqa@5-shot,seed7,first40",
        "final/piqa@5-shot,seed7,first40,llama",
        "final/arc_easy@25-shot,first40",
    ]


def test_a_setting_of_one_task_leaves_every_other_unit_as_it_is() -> None:
    before = units(INPUTS, tasks=["piqa", "hellaswag"])
    for setting in ({"num_fewshot": 3}, {"limit": 10}, {"seed": 3}, {"variant": "llama"}, {"repeats": 2}):
        after = units(INPUTS, tasks=[{"task": "piqa", **setting}, "hellaswag"])
        assert after["final/hellaswag"] == before["final/hellaswag"]
        assert "final/piqa" not in after
    assert units(INPUTS, tasks=["piqa", "hellaswag"], batch_tokens=1) == before


def test_the_number_of_shots_that_a_task_has_by_itself_is_the_same_cell() -> None:
    assert list(units(INPUTS, tasks=[{"task": "piqa", "num_fewshot": 0}])) == list(units(INPUTS, tasks=["piqa"]))


def test_the_recipe_says_the_parts_of_a_cell_or_leaves_them_to_the_launcher() -> None:
    tasks = [{"task": "piqa", "parts": 2}, "hellaswag", {"task": "arc_easy", "parts": 1}, "generate", "perplexity"]
    settings = {"tasks": tasks, "heldout": "x", "endpoints": {"mine": {"url": "http://x/v1", "model": "m"}}}
    inputs = {**INPUTS, "heldout": FILE, "tokenizers": (InputFile(Path("/hf"), "mine"),)}
    answers, whole = EvaluateConfig.model_validate(settings).plan(inputs).steps
    parts = {unit.key: unit.parts for unit in whole.units}
    assert [parts[f"final/{name}"] for name in ("piqa", "hellaswag", "arc_easy", "generate", "perplexity")] == [
        2, None, 1, 1, 1
    ]  # fmt: skip
    assert [parts[f"mine/{name}"] for name in ("piqa", "hellaswag")] == [2, 1], "no endpoint is faster by parts"
    assert (answers.name, answers.units, whole.name, whole.after) == ("answers", (), "", (After("answers", PARTS),))


def test_only_a_cell_of_a_variant_depends_on_the_variants_file() -> None:
    found = units(INPUTS, tasks=[{"task": "piqa", "variant": ["", "llama"]}])
    assert [bool(unit.data) for unit in found.values()] == [False, True] * 2


def test_own_definitions_are_read_by_the_cells_that_they_define() -> None:
    names = ("mine.yaml", "mine.jsonl", "other.yaml", "piqa@short.yaml", "_base.yaml", "utils.py")
    files = tuple(InputFile(Path("/own", name), name) for name in names)
    tasks = ["mine", "other", {"task": "piqa", "variant": "short"}, "hellaswag"]
    found = units({**INPUTS, "definitions": files}, tasks=tasks)
    read = {key: [file.path.name for file in unit.inputs["definitions"]] for key, unit in found.items()}
    shared = ["_base.yaml", "utils.py"]
    assert read["final/mine"] == ["mine.yaml", "mine.jsonl", *shared]
    assert read["final/other"] == ["other.yaml", *shared]
    assert read["final/piqa@short"] == ["piqa@short.yaml", *shared]
    assert read["final/hellaswag"] == []


def test_every_shipped_suite_names_tasks_that_exist_and_need_nothing_but_data() -> None:
    for path in sorted(SUITES.iterdir()):
        suite = f"suite:{path.stem}"
        for cell in EvaluateConfig.model_validate({"tasks": [suite]}).cells():
            try:
                check_cell(cell, [], [])
            except ConfigError as error:
                assert error.setting == "datasets", f"{suite}: {error}"


def test_settings_beside_a_suite_are_for_all_its_tasks() -> None:
    config = EvaluateConfig.model_validate({"tasks": [{"task": "suite:llama", "limit": 9}]})
    assert {cell.limit for cell in config.cells()} == {9}


def test_the_suite_of_llama_is_planned_for_twenty_checkpoints_without_the_stack() -> None:
    leaves = (leaf for cell in LLAMA.cells() for leaf in read_index().leaves(cell.task))
    folders = {Path("/hf/datasets", *folder_of(leaf.data), "0.0.0/x"): None for leaf in leaves}
    inputs = {
        "checkpoints": tuple(InputFile(Path(f"step-{number}"), f"step-{number}") for number in range(20)),
        "tokenizer": FILE,
        "datasets": tuple(InputFile(folder, "") for folder in folders),
    }
    answers, whole = LLAMA.plan(inputs).steps
    assert len(whole.units) == 20 * len(LLAMA.cells())
    assert {len(unit.inputs["datasets"]) for unit in whole.units if "/mmlu@" in unit.key} == {57}
    assert answers.units == ()


@pytest.mark.parametrize(
    "tasks",
    [
        ["perplexity", "facts"],
        ["suite:llama"],
        [{"task": "suite:llama", "limit": 9}],
        [{"task": "piqa", "seed": [1, 2]}],
    ],
)
def test_a_job_reads_the_cells_that_were_planned(tasks: list[Any]) -> None:
    config = EvaluateConfig.model_validate({"tasks": tasks})
    assert EvaluateConfig.model_validate_json(config.model_dump_json()).cells() == config.cells()


LLAMA = EvaluateConfig.model_validate({"tasks": ["suite:llama"]})


def test_checkpoints_of_one_source_have_keys_of_their_own() -> None:
    two = tuple(InputFile(Path(folder), "final") for folder in ("a", "b"))
    assert list(units({**INPUTS, "checkpoints": two})) == ["final/perplexity", "final~2/perplexity"]


def own(**settings: Any) -> EvaluateConfig:
    return EvaluateConfig.model_validate(settings)


@pytest.mark.parametrize(
    ("config", "inputs", "message"),
    [
        (own(tasks=()), INPUTS, "one or more different"),
        (own(tasks=("facts", "facts")), INPUTS, r"^tasks = \['facts'\]: must be one or more different"),
        (own(tasks=("facts",)), {**INPUTS, "facts": ()}, r"^facts = None: must be a file.* remove 'facts'"),
        (own(), {**INPUTS, "heldout": ()}, r"^heldout = None: must be a file"),
        (own(), {**INPUTS, "checkpoints": ()}, "at least one checkpoint"),
        (own(), {**INPUTS, "tokenizer": FILE * 2}, "exactly one tokenizer file, found 2"),
        (own(tasks=("generate",), generate={"prompts": []}), INPUTS, "at least one prompt"),
        (own(tasks=["piqaa"]), INPUTS, r"^tasks = 'piqaa': must be one of our tasks .*; did you mean 'piqa'\?"),
        (own(tasks=["factz"]), INPUTS, r"did you mean 'facts'\?"),
        (own(tasks=["qqqqqqqq"]), INPUTS, "see `lm-eval ls tasks`"),
        (own(tasks=["suite:lama"]), INPUTS, r"^tasks = 'suite:lama': must be a shipped suite; did you mean 'llama'\?"),
        (
            own(tasks=["cruxeval_input"]),
            INPUTS,
            "^tasks = 'cruxeval_input': .* outside a jail",
        ),
        (own(tasks=["humaneval"]), INPUTS, "folders of prepared data with openai/openai_humaneval, which .*/datasets/"),
        (own(tasks=["minerva_math"]), INPUTS, "it needs antlr4, math_verify"),
        (own(tasks=["mmmu_val"]), INPUTS, "pictures"),
        (
            own(tasks=["winogrande"]),
            INPUTS,
            r"^datasets = \['/hf/datasets/.*: must be .* with allenai/winogrande \(winogrande_xl\), which",
        ),
        (own(tasks=["mmlu"]), INPUTS, r"with cais/mmlu \(abstract_algebra\) and 56 others, which 'mmlu' opens"),
        (
            own(tasks=[{"task": "bbh_cot_fewshot_snarks", "num_fewshot": 9}]),
            INPUTS,
            r"^num_fewshot = 9: must be at most 3",
        ),
        (own(tasks=[{"task": "piqa", "variant": "lama"}]), INPUTS, r"^tasks = 'piqa@lama': .* did you mean 'llama'\?"),
        (own(tasks=[{"task": "perplexity", "limit": 3}]), INPUTS, "ours have sections instead"),
        (own(tasks=["piqa"]), {**INPUTS, "datasets": ()}, r"^datasets = None: must be folders of prepared data"),
        (
            own(definitions="mine"),
            {**INPUTS, "definitions": FILE},
            r"^definitions = 'mine': must be files with a \*.yaml",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_while_planning(
    config: EvaluateConfig, inputs: dict[str, tuple[InputFile, ...]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        config.plan(inputs)


def test_a_checkpoint_of_another_tokenizer_is_refused_by_the_plan(tmp_path: Path) -> None:
    (tmp_path / "x.model").write_bytes(b"pieces")
    (tmp_path / "y.model").write_bytes(b"others")
    tokenizers = [(InputFile(tmp_path / name, ""),) for name in ("x.model", "y.model")]
    about = PlannedModel(model=ModelConfig(), dtype="fp32", tokenizer=str(tmp_path / "x.model")).text()
    to_come = (InputFile(Path("not made"), "final", section="pretrain", about=about),)
    here = tmp_path / "final"
    write_json(here / "complete.json", {})
    state = {"model": {}, "vocab_size": 3, "dtype": "fp32", "step": 1}
    write_json(here / "state.json", {**state, "tokenizer_sha256": sha256_file(tmp_path / "x.model")})
    for checkpoints in (to_come, (InputFile(here, "final"),)):
        EvaluateConfig().inspect({"checkpoints": checkpoints, "tokenizer": tokenizers[0]})
        with pytest.raises(DataError, match=r"final: trained with another tokenizer\. Set `tokenizer` to that of its"):
            EvaluateConfig().inspect({"checkpoints": checkpoints, "tokenizer": tokenizers[1]})


def test_the_base_of_a_fine_tuned_checkpoint_is_its_start_or_the_trainings_untrained() -> None:
    def planned(section: str, start: str, *names: str) -> list[InputFile]:
        about = PlannedModel(model=ModelConfig(), dtype="fp32", tokenizer="", start=start).text()
        return [InputFile(Path(section, name), name, section=section, about=about) for name in names]

    pretrain, sft = planned("pretrain", "", "final", "untrained"), planned("sft", "/llama", "final", "untrained")
    assert bases_of([*pretrain, *sft]) == {"final~2": "untrained~2"}
    assert bases_of([InputFile(Path("/llama"), "llama"), *sft]) == {"final": "llama"}
    assert bases_of([*pretrain, sft[0]]) == bases_of(pretrain) == {}
    outputs = EvaluateConfig(tasks=["piqa"]).plan({**INPUTS, "checkpoints": (*pretrain, *sft)}).outputs
    found = {output.unit: base_of(InputFile(Path(), "", about=output.about)) for output in outputs}
    tuned = Base("untrained~2", is_chosen=False)
    assert found == {"final/piqa": None, "untrained/piqa": None, "final~2/piqa": tuned, "untrained~2/piqa": None}


def test_a_policy_that_learned_from_rewards_is_compared_with_the_fine_tuned_model_that_it_started_from() -> None:
    tuned = InputFile(Path("/runs/sft/final"), "sft")
    outputs = ppo_settings(policy="x").plan({"policy": (tuned,)}).outputs
    policy = [
        InputFile(Path("ppo", output.name), output.source, section="ppo", about=output.about)
        for output in outputs
        if output.kind == KINDS.checkpoint and output.source in ("final", "average", "untrained")
    ]
    assert bases_of([tuned, *policy]) == {"final": "sft", "average": "sft"}
    assert bases_of(policy) == {"final": "untrained", "average": "untrained"}


def test_the_base_that_the_recipe_names_is_that_of_all_others_and_must_be_there() -> None:
    plain, chosen = (EvaluateConfig(tasks=["piqa"], base=base).plan(INPUTS) for base in (None, "untrained"))
    assert plain.steps == chosen.steps, "it changes no result"
    found = {output.unit: base_of(InputFile(Path(), "", about=output.about)) for output in chosen.outputs}
    assert found == {"final/piqa": Base("untrained", is_chosen=True), "untrained/piqa": None}
    with pytest.raises(ConfigError, match=r"base = 'untraind': must be the name .*did you mean 'untrained'"):
        EvaluateConfig(tasks=["piqa"], base="untraind").plan(INPUTS)


def test_a_layout_is_no_part_of_a_unit_and_asks_for_its_processes() -> None:
    parted = [{"task": "piqa", "parts": 2}]
    layout = {"tp": 2, "pp": 3}
    for alone, together in zip(
        EvaluateConfig.model_validate({"tasks": parted}).plan(INPUTS).steps,
        EvaluateConfig.model_validate({"tasks": parted, "layout": layout, "alarm": {}}).plan(INPUTS).steps,
        strict=False,
    ):
        assert (alone.units, alone.uses) == (together.units, together.uses)
        assert (alone.ranks, together.ranks, together.shape) == (1, 6, "generate")
    *_, alarm = EvaluateConfig.model_validate({"layout": layout, "alarm": {}}).plan(INPUTS).steps
    assert alarm.ranks == 1


def test_a_layout_that_cannot_split_a_model_is_refused_before_anything_is_queued(tmp_path: Path) -> None:
    model = ModelConfig(num_layers=4, dim=96, num_heads=6)
    about = PlannedModel(model=model, dtype="fp32", tokenizer="").text()
    to_come = InputFile(Path("not made"), "final", section="pretrain", about=about)
    write_json(tmp_path / "here" / "complete.json", {})
    state = {"model": model.model_dump(mode="json"), "vocab_size": 3, "dtype": "fp32", "step": 1}
    write_json(tmp_path / "here" / "state.json", {**state, "tokenizer_sha256": ""})
    random_release(tmp_path / "folder", {})
    for file, layout, message in (
        (
            to_come,
            {"tp": 4},
            r"^layout\.tp = 4: must be a number that splits the 6 heads.*of pretrain/final.*example 2\)",
        ),
        (
            InputFile(tmp_path / "here", "x"),
            {"pp": 3},
            r"^layout\.pp = 3: must be a divisor of the 4 layers of \S+/here",
        ),
        (InputFile(tmp_path / "folder", "x"), {"ep": 2}, r"^layout\.ep = 2: must be 1: \S+/folder has no experts"),
    ):
        own(layout={"tp": 2}).inspect({"checkpoints": (file,)})
        with pytest.raises(ConfigError, match=message):
            own(layout=layout).inspect({"checkpoints": (file,)})


def prepared(folder: Path, name: str = "allenai___ai2_arc/ARC-Easy", **splits: int) -> tuple[InputFile, ...]:
    """Return a folder of prepared data with a header alone."""
    home = folder / "datasets" / name / "0.0.0/x"
    home.mkdir(parents=True)
    info = {"splits": {name: {"num_examples": count} for name, count in splits.items()}}
    (home / "dataset_info.json").write_text(json.dumps(info))
    return (InputFile(home, ""),)


def test_a_missing_split_is_one_sentence_before_anything_is_queued(tmp_path: Path) -> None:
    files = prepared(tmp_path, validation=3, test=9)
    own(tasks=["arc_easy"]).inspect({"datasets": files})
    with pytest.raises(DataError, match=r"lacks the split 'train', which arc_easy opens \(it has validation, test\)"):
        own(tasks=[{"task": "arc_easy", "num_fewshot": 5}]).inspect({"datasets": files})
    own(tasks=["arc_easy"]).inspect({"datasets": (InputFile(tmp_path / "not/made/yet/x", "", section="benchmarks"),)})
    with pytest.raises(DataError, match="lacks the split 'validation', which piqa opens"):
        own(tasks=["piqa"]).inspect({"datasets": prepared(tmp_path / "two", "baber___piqa/default", train=3)})


def test_more_shots_than_there_are_examples_are_one_sentence_before_anything_is_queued(tmp_path: Path) -> None:
    files = prepared(tmp_path, train=5, test=9)
    own(tasks=[{"task": "arc_easy", "num_fewshot": 5}]).inspect({"datasets": files})
    with pytest.raises(ConfigError, match="num_fewshot = 10: must be at most 5: arc_easy has 5 solved examples"):
        own(tasks=[{"task": "arc_easy", "num_fewshot": 10}]).inspect({"datasets": files})


def test_code_without_a_jail_is_refused_before_anything_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.evaluate.catalog.checks.missing", lambda: "this machine cannot make a jail")
    for task in ("humaneval", "mbpp"):
        with pytest.raises(ConfigError, match=f"tasks = '{task}': .* and this machine cannot make a jail"):
            own(tasks=[task]).inspect({})
    own(tasks=["piqa"]).inspect({})


def test_a_task_with_tools_is_a_cell_a_use_and_reads_what_is_searched_where_they_are_used() -> None:
    corpus = (InputFile(Path("news.zst"), "news"),)
    task = {"task": "gsm8k", "tools": ["used", "withheld"]}
    settings = {"toolbox": ["calculator", "search"], "corpus": "x", "datasets": "x"}
    found = EvaluateConfig.model_validate({"tasks": [task], **settings}).cells("final")
    assert [cell.name for cell in found] == ["gsm8k@tools", "gsm8k@tools-withheld"]
    made = units({**INPUTS, "corpus": corpus}, tasks=[{"task": "hellaswag", "tools": ["used", "withheld"]}], **settings)
    assert [made[f"final/hellaswag@{name}"].inputs["corpus"] for name in ("tools", "tools-withheld")] == [corpus, ()]
    assert made["final/hellaswag@tools"].parts == 1


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"tasks": [{"task": "hellaswag", "tools": "used"}]}, "toolbox"),
        ({"tasks": ["hellaswag"], "toolbox": ["search"]}, "corpus"),
    ],
)
def test_tools_that_are_missing_and_a_search_without_documents_are_refused(
    settings: dict[str, Any], where: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{where} = "):
        units(INPUTS, **settings)
