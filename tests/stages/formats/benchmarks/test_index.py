import subprocess
import sys
from pathlib import Path

from stages.formats.benchmarks.index import FEWSHOT_SEED, DataSet, read_index, shape_of

ROOT = Path(__file__).parents[4]


def test_a_group_has_the_tasks_of_its_groups() -> None:
    index = read_index()
    leaves = [leaf.name for leaf in index.leaves("mmlu")]
    assert (len(leaves), len(set(leaves))) == (57, 57)
    assert {"mmlu_anatomy", "mmlu_world_religions"} <= set(leaves)
    assert [leaf.data for leaf in index.leaves("piqa")] == [DataSet("baber/piqa", "")]
    assert len(list(index.leaves("hendrycks_math"))) == 7


def test_a_task_says_what_it_opens_and_does() -> None:
    shapes = {
        name: next(read_index().leaves(name)).shape for name in ("arc_easy", "mmlu_anatomy", "humaneval", "gsm8k_cot")
    }
    assert shapes["arc_easy"].splits == ("train", "test")
    assert (shapes["mmlu_anatomy"].splits, shapes["mmlu_anatomy"].output) == (("dev", "test"), "multiple_choice")
    assert [name for name, shape in shapes.items() if shape.code] == ["humaneval"]
    assert (shapes["gsm8k_cot"].shots, shapes["gsm8k_cot"].samples, shapes["gsm8k_cot"].splits) == (8, 8, ("test",))


def test_only_names_that_lm_eval_loads_are_in_it() -> None:
    index = read_index()
    assert "piqa" in index
    assert "piqqa" not in index
    inside = next(name for name in index.tasks if "::" in name)
    assert inside not in index, "a task that a group defines in place"
    assert index.near("hellaswg", ()) == "did you mean 'hellaswag'?"
    assert index.near("mine2", ("mine",)) == "did you mean 'mine'?"


def test_a_listed_example_or_a_split_is_the_pool_of_examples() -> None:
    listed = shape_of({"test_split": "test", "fewshot_config": {"samples": [1, 2]}})
    assert (listed.pool, listed.samples, listed.splits) == ("", 2, ("test",))
    both = shape_of({"test_split": "t", "validation_split": "v", "fewshot_split": "f", "training_split": "a"})
    assert (both.pool, both.evaluated) == ("f", "t")
    assert shape_of({"validation_split": "v"}).splits == ("v",)
    assert shape_of({"class": "X"}).free


def test_a_login_node_reads_it_without_the_stack() -> None:
    probe = "import sys, stages.evaluate.config; print(*{'torch', 'lm_eval', 'numpy', 'datasets'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    assert FEWSHOT_SEED == 1234
