from pathlib import Path

import yaml
from lm_eval.api.instance import Instance

from stages.evaluate.cells import Cell
from stages.evaluate.harness import measure
from stages.evaluate.tasks.loading import load_cell, protocol_of, use_datasets
from tests.stages.evaluate.world import CHOICE, ByDigest, define

VARIANT = "protocol: By the answer alone.\nclass: !function stages.evaluate.tasks.protocols.AnswerNormalized\n"


class Favours(ByDigest):
    """Finds `b` likelier than `a` after a question, but by less than after "Answer:" alone."""

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        self.asked += requests
        alone = {" a": -9.0, " b": -1.0}
        return [
            (
                alone[request.args[1]] if request.args[0] == "Answer:" else {" a": -3.0, " b": -2.0}[request.args[1]],
                False,
            )
            for request in requests
        ]


def test_a_completion_that_is_likely_anywhere_does_not_win_by_the_answers_protocol(tmp_path: Path) -> None:
    use_datasets(tmp_path / "home", [])
    rows = [{"question": "What?", "choices": ["a", "b"], "answer": 0}]
    own = define(tmp_path / "own", "two", {"test": rows}, **CHOICE)
    (tmp_path / "own/two@answer.yaml").write_text(VARIANT)
    own.append(tmp_path / "own/two@answer.yaml")
    model, cell = Favours(), Cell(task="two", variant="answer")
    found = measure(model, load_cell(cell, own), None)["results"]["two"]
    assert (found["acc,none"], found["acc_answer,none"]) == (0.0, 1.0)
    assert [request.args for request in model.asked][2:] == [("Answer:", " a"), ("Answer:", " b")]
    assert protocol_of(cell, own) == "By the answer alone."
    assert "acc_answer,none" not in measure(Favours(), load_cell(Cell(task="two"), own), None)["results"]["two"]


def test_every_shipped_variant_names_its_protocol_and_its_source_if_it_is_published() -> None:
    folder = Path(__file__).parents[4] / "stages/evaluate/variants"
    for path in sorted(folder.iterdir()):
        protocol = next(line for line in path.read_text().splitlines() if line.startswith("protocol:"))
        text = yaml.safe_load(protocol)["protocol"]
        assert text.endswith(".")
        assert ("arXiv" in text) == path.stem.endswith(("@llama", "@test", "@words"))
