from stages.benchmarks.exemplars import mmlu_examples
from stages.formats.benchmarks.index import read_index


def test_every_subject_has_five_examples_but_for_three_that_lm_eval_has_fewer_of() -> None:
    subjects = [leaf.data.name for leaf in read_index().leaves("mmlu")]
    found = {subject: len(mmlu_examples(subject)) for subject in subjects}
    few = {subject: count for subject, count in found.items() if count != 5}
    assert few == FEW
    assert mmlu_examples("nothing") == []


FEW = {"college_chemistry": 3, "formal_logic": 4, "human_aging": 4}
"""Subjects with fewer examples than the official five."""


def test_an_example_has_its_question_choices_and_answer_apart() -> None:
    row = mmlu_examples("abstract_algebra")[0]
    assert row["question"].startswith("Statement 1 | Every element of a group")
    assert "(A)" not in row["question"]
    assert row["choices"] == ["True, True", "False, False", "True, False", "False, True"]
    assert row["choices"][row["answer"]] == "True, False"
