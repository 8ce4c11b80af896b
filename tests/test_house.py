"""The house itself: what the README names exists, and every module has its test at the mirrored path."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILT = {"__pycache__", "runs", "build", "stagecoach.egg-info"}
FIXED = {"launch.py", "jobs", "stages", "templates", "envs", "tests", "README.md", "pyproject.toml", "LICENSE"}
MADE_BY_READERS = ("envs/mycluster.yaml", "envs/NAME.yaml")
"""Files that pages name and readers make."""


def test_the_top_level_is_the_one_that_was_fixed() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert found - BUILT == FIXED


def test_every_path_that_a_readme_names_exists() -> None:
    for readme in [ROOT / "README.md", *ROOT.glob(".github/*.md"), *ROOT.glob("*/**/README.md")]:
        if ".venv" in readme.parts or "runs" in readme.parts:
            continue
        text = readme.read_text()
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (readme.parent / link).exists(), f"{readme.relative_to(ROOT)} links to {link}"
        for name in re.findall(r"`((?:jobs|stages|templates|envs|tests)/[\w./-]+\.\w+)`", text):
            assert name in MADE_BY_READERS or (ROOT / name).exists(), f"{readme.relative_to(ROOT)} names {name}"


ELSEWHERE = {
    "stages/curated/arxiv/config.py": "tests/stages/curated/arxiv/test_run.py",
    "stages/curated/arxiv/latex.py": "tests/stages/curated/arxiv/test_run.py",
    "stages/curated/arxiv/macros.py": "tests/stages/curated/arxiv/test_run.py",
    "stages/curated/arxiv/sources.py": "tests/stages/curated/arxiv/test_run.py",
    "stages/curated/books/config.py": "tests/stages/curated/books/test_run.py",
    "stages/curated/books/epub.py": "tests/stages/curated/books/test_run.py",
    "stages/curated/books/gutenberg.py": "tests/stages/curated/books/test_run.py",
    "stages/curated/code/config.py": "tests/stages/curated/code/test_run.py",
    "stages/curated/code/containers.py": "tests/stages/curated/code/test_run.py",
    "stages/curated/code/languages.py": "tests/stages/curated/code/test_run.py",
    "stages/curated/code/licences.py": "tests/stages/curated/code/test_run.py",
    "stages/curated/code/rules.py": "tests/stages/curated/code/test_run.py",
    "stages/curated/distinct/documents.py": "tests/stages/curated/books/test_run.py",
    "stages/curated/distinct/duplicates.py": "tests/stages/curated/code/test_run.py",
    "stages/curated/distinct/keys.py": "tests/stages/curated/code/test_run.py",
    "stages/curated/distinct/overlap.py": "tests/stages/curated/books/test_run.py",
    "stages/curated/documents/config.py": "tests/stages/curated/documents/test_run.py",
    "stages/curated/documents/rows.py": "tests/stages/curated/documents/test_run.py",
    "stages/curated/reading/archives.py": "tests/stages/curated/code/test_run.py",
    "stages/curated/reading/decode.py": "tests/stages/curated/books/test_run.py",
    "stages/curated/items.py": "tests/stages/curated/reading/test_unit.py",
    "stages/curated/settings.py": "tests/stages/curated/wikipedia/test_config.py",
    "stages/curated/stackexchange/config.py": "tests/stages/curated/stackexchange/test_run.py",
    "stages/model/joins/base.py": "tests/stages/model/joins/test_build.py",
    "stages/model/joins/projector.py": "tests/stages/model/joins/test_build.py",
    "stages/model/huggingface/vision/llava.py": "tests/stages/model/huggingface/vision/test_eyes.py",
    "stages/model/huggingface/reading.py": "tests/stages/model/huggingface/test_importing.py",
    "stages/sample/exams.py": "tests/stages/sample/pictures/test_exams.py",
    "stages/model/huggingface/vision/tensors.py": "tests/stages/model/huggingface/vision/test_folder.py",
    "envs/check_gloo.py": "tests/jobs/checks/test_machine.py",
    "envs/check_node.py": "tests/jobs/checks/test_scheduler.py",
    "stages/sample/curated/config.py": "tests/stages/sample/curated/test_run.py",
    "stages/sample/label/config.py": "tests/stages/sample/label/test_run.py",
    "envs/install.py": "tests/envs/test_bootstrap.py",
    "envs/levels.py": "tests/envs/test_bootstrap.py",
    "envs/testbed/conf.py": "tests/envs/testbed/test_control.py",
    "envs/testbed/daemons.py": "tests/envs/testbed/test_control.py",
    "envs/testbed/packages.py": "tests/envs/testbed/test_control.py",
    "jobs/checks/finding.py": "tests/jobs/checks/test_doctor.py",
    "jobs/prune.py": "tests/jobs/test_history.py",
    "jobs/upkeep/spending.py": "tests/jobs/upkeep/test_asking.py",
    "jobs/checks/answers.py": "tests/jobs/upkeep/test_asking.py",
    "stages/jail/inside.py": "tests/stages/jail/test_jail.py",
    "jobs/nightly/chain.py": "tests/jobs/nightly/test_install.py",
    "stages/formats/pictures/tars.py": "tests/stages/formats/pictures/test_collections.py",
    "stages/formats/alarms.py": "tests/jobs/nightly/test_night.py",
    "stages/conductor/experts/pipeline.py": "tests/stages/conductor/experts/test_folder.py",
    "stages/conductor/settings.py": "tests/stages/tools/conduct/test_config.py",
    "stages/conductor/wording.py": "tests/stages/conductor/test_conducting.py",
    "stages/formats/conducted/records.py": "tests/stages/conductor/test_replaying.py",
    "stages/formats/conducted/scores.py": "tests/stages/tools/score_plans/test_run.py",
    "stages/tools/score_plans/config.py": "tests/stages/tools/score_plans/test_run.py",
    "stages/sample/requests/config.py": "tests/stages/sample/requests/test_run.py",
    "stages/serve/answers.py": "tests/stages/serve/test_answering.py",
    "stages/serve/asked.py": "tests/stages/serve/test_hostile.py",
    "stages/serve/chat.py": "tests/jobs/test_chat.py",
    "stages/serve/grammars.py": "tests/stages/serve/test_answering.py",
    "stages/serve/http/guard.py": "tests/stages/serve/test_hostile.py",
    "stages/serve/models.py": "tests/stages/serve/test_answering.py",
    "stages/serve/problems.py": "tests/stages/serve/test_hostile.py",
    "stages/serve/http/server.py": "tests/stages/serve/test_run.py",
    "stages/teacher/keys.py": "tests/stages/teacher/test_teacher.py",
    "stages/teacher/meter.py": "tests/stages/teacher/test_teacher.py",
    "stages/teacher/request.py": "tests/stages/teacher/test_store.py",
    "stages/teacher/settings.py": "tests/stages/teacher/test_teacher.py",
    "stages/model/layers/visits.py": "tests/stages/generate/test_plan.py",
    "stages/model/checkpoint/names.py": "tests/stages/model/checkpoint/test_reading.py",
    "stages/formats/chat/rejects.py": "tests/stages/instruct/test_rendering.py",
    "stages/synthesize/answering.py": "tests/stages/synthesize/test_run.py",
    "stages/synthesize/seeing.py": "tests/stages/synthesize/test_pictured.py",
    "stages/synthesize/findings.py": "tests/stages/synthesize/test_run.py",
    "stages/teacher/asking.py": "tests/stages/synthesize/test_run.py",
    "stages/synthesize/bootstrap.py": "tests/stages/synthesize/test_run.py",
    "stages/benchmarks/readers.py": "tests/stages/benchmarks/test_run.py",
    "stages/evaluate/catalog/checks.py": "tests/stages/evaluate/test_config.py",
    "stages/evaluate/backends/asking.py": "tests/stages/evaluate/backends/test_endpoint.py",
    "stages/evaluate/backends/windows.py": "tests/stages/evaluate/test_adapter.py",
    "stages/teacher/replies.py": "tests/stages/evaluate/backends/test_endpoint.py",
    "stages/evaluate/cells.py": "tests/stages/evaluate/test_config.py",
    "stages/model/huggingface/folder.py": "tests/stages/train/test_stage.py",
    "stages/model/huggingface/tensors.py": "tests/stages/model/huggingface/test_weights.py",
    "stages/train/state/same_model.py": "tests/stages/train/state/test_continuing.py",
    "stages/chats/encoder.py": "tests/stages/chats/test_encode.py",
    "stages/chats/sensed.py": "tests/stages/vision/train/test_run.py",
    "stages/chats/sensing.py": "tests/stages/vision/train/test_config.py",
    "stages/model/senses.py": "tests/stages/speech/train/test_config.py",
    "stages/pictures/shelf.py": "tests/stages/pictures/test_album.py",
    "stages/train/data/gallery.py": "tests/stages/train/objectives/test_pictured.py",
    "stages/train/data/pictured.py": "tests/stages/train/objectives/test_pictured.py",
    "stages/chats/config.py": "tests/stages/align/sft/test_config.py",
    "stages/chats/sources.py": "tests/stages/align/reward/test_measure.py",
    "stages/align/comparisons.py": "tests/stages/align/test_encode.py",
    "stages/train/starts.py": "tests/stages/align/ppo/test_config.py",
    "stages/align/starts.py": "tests/stages/align/judge/test_config.py",
    "stages/align/judge/run.py": "tests/stages/align/judge/test_endpoint.py",
    "stages/align/judge/tally.py": "tests/stages/align/judge/test_endpoint.py",
    "stages/formats/chat/judgements.py": "tests/stages/report/parts/win_rates/test_part.py",
    "stages/teacher/rendering.py": "tests/stages/synthesize/test_wording.py",
    "stages/align/sources.py": "tests/stages/align/reward/test_measure.py",
    "stages/formats/chat/compared.py": "tests/stages/align/test_encode.py",
    "stages/formats/published/units.py": "tests/stages/align/preferences/test_config.py",
    "stages/formats/chat/scored.py": "tests/stages/align/test_scoring.py",
    "stages/formats/chat/reward_reports.py": "tests/stages/report/parts/reward/test_part.py",
    "stages/model/checkpoint/measured.py": "tests/stages/align/reward/test_measure.py",
    "stages/train/data/comparisons.py": "tests/stages/train/objectives/test_pairs.py",
    "stages/train/objectives/ranking.py": "tests/stages/train/objectives/test_pairs.py",
    "stages/model/layers/adapters.py": "tests/stages/align/sft/test_run.py",
    "stages/model/layers/scored_layer.py": "tests/stages/model/layers/test_steps.py",
    "stages/evaluate/evaluation.py": "tests/stages/evaluate/test_run.py",
    "stages/evaluate/harness.py": "tests/stages/evaluate/test_run.py",
    "stages/generate/requests.py": "tests/stages/generate/test_generation.py",
    "stages/generate/rows.py": "tests/stages/generate/test_generation.py",
    "stages/sample/chinese_spam.py": "tests/stages/sample/test_spam.py",
    "stages/text/blocks/page_data.py": "tests/stages/text/blocks/test_gate.py",
    "stages/text/compiled/arrays.py": "tests/stages/text/compiled/test_hash_table.py",
    "stages/text/rules/filters.py": "tests/stages/text/rules/test_quality.py",
    "stages/formats/calls/questions.py": "tests/stages/tools/score/test_run.py",
    "stages/formats/calls/scores.py": "tests/stages/tools/score/test_run.py",
    "stages/vision/pictures/samples.py": "tests/stages/vision/pictures/test_lists.py",
    "stages/web/settings.py": "tests/stages/web/test_config.py",
    "stages/web/unit_findings.py": "tests/stages/web/steps/test_documents.py",
    "stages/web/unit_pages.py": "tests/stages/web/steps/test_documents.py",
    "stages/train/engines/context.py": "tests/stages/train/engines/test_megatron.py",
    "stages/train/models.py": "tests/stages/train/test_ranking.py",
    "stages/train/objectives/base.py": "tests/stages/train/test_ranking.py",
    "stages/train/sections.py": "tests/stages/train/test_config.py",
    "stages/report/config.py": "tests/stages/report/test_build.py",
    "stages/report/part.py": "tests/stages/report/test_collect.py",
}
"""Modules whose test stands at another module's path: the one through which they are used."""


def test_every_module_has_its_test_at_the_mirrored_path() -> None:
    modules = [path for room in ("jobs", "stages", "envs") for path in (ROOT / room).rglob("*.py")]
    for module in sorted(path for path in modules if not path.name.startswith("__")):
        name = str(module.relative_to(ROOT))
        mirrored = f"tests/{module.parent.relative_to(ROOT)}/test_{module.name}"
        assert (ROOT / ELSEWHERE.get(name, mirrored)).exists(), f"{name} has no {ELSEWHERE.get(name, mirrored)}"
        assert name not in ELSEWHERE or not (ROOT / mirrored).exists(), f"{name} has a test of its own now"
