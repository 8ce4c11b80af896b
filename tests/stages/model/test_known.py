from pathlib import Path

from stages.model.checkpoint.settings import PlannedModel
from stages.model.config import ModelConfig
from stages.model.known import KnownModel, known_model
from stages.shared.contract import InputFile
from tests.stages.model.saved import SMALL, VOCAB_SIZE, save_untrained


def test_a_checkpoint_on_disk_says_what_its_model_is(tmp_path: Path) -> None:
    save_untrained(tmp_path / "final")
    found = known_model(InputFile(tmp_path / "final", "final"))
    assert found == KnownModel(config=SMALL, dtype="fp32", vocab_size=VOCAB_SIZE)


def test_of_a_checkpoint_to_come_the_settings_of_its_section_count() -> None:
    model = ModelConfig(num_layers=2, dim=32, num_heads=2)
    about = PlannedModel(model=model, dtype="bf16", tokenizer="/runs/tokenizer.model").text()
    coming = InputFile(Path("/runs/final"), "final", section="pretrain", about=about)
    assert known_model(coming, pieces=400) == KnownModel(config=model, dtype="bf16", vocab_size=400)


def test_a_folder_that_says_nothing_has_no_known_model(tmp_path: Path) -> None:
    assert known_model(InputFile(tmp_path, "x")) is None
    assert known_model(InputFile(tmp_path, "x", section="align")) is None
