from stages.formats.benchmarks.index import read_index
from stages.report.parts.evaluation.published import MODELS


def test_every_published_score_is_a_share_of_a_task_that_exists() -> None:
    known = read_index()
    for model in MODELS:
        assert model.paper.startswith("arXiv:")
        for task, score in model.scores.items():
            assert 0 < score.value < 1
            assert score.protocol
            assert task in known, task
