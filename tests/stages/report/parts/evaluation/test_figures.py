from stages.formats.results import Results
from stages.report.parts.evaluation.comparison import compare
from stages.report.parts.evaluation.figures import scores_figure
from tests.stages.report.journey import evaluation_key, score


def test_without_a_chance_level_there_is_no_figure_of_scores() -> None:
    assert scores_figure([]) is None


def test_every_checkpoint_is_a_trace_beside_that_of_chance() -> None:
    results = [
        Results(
            key=evaluation_key(source),
            scores=(score("t", "acc", value, 0.03, chance=0.25), score("t", "ppl", 3.0, None)),
        )
        for source, value in (("final", 0.9), ("untrained", 0.3))
    ]
    figure = scores_figure(compare(results))
    assert figure is not None
    assert [(trace["name"], trace["x"]) for trace in figure["data"]] == [
        ("chance", [0.25]), ("untrained", [0.3]), ("final", [0.9]),
    ]  # fmt: skip
