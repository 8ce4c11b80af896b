"""Batch scripts: whole equality with golden files, and what happens when bash really runs them.

After a wanted change: `STAGECOACH_UPDATE_GOLDEN=1 pytest tests/jobs/submit/test_render.py`, then read the difference.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jinja2.exceptions import SecurityError

from jobs.paths import RunPaths
from jobs.plan.cluster import Cluster
from jobs.plan.graph import Job
from jobs.run.srun import BEGIN
from jobs.submit.ledger import Submission
from jobs.submit.render import Place, flag_value, flag_words, render_script, sbatch_flags, slurm_output
from jobs.submit.slurm import comment_of
from jobs.submit.snapshot import archive_of
from stages.shared.errors import ConfigError
from tests.jobs import made
from tests.jobs.bench import PATIENCE_S, until
from tests.jobs.fakes import Fake, write_fake

GOLDEN = Path(__file__).with_name("golden")
HOSTILE = 'it\'s a "run"\nof $(touch pwned) `touch pwned` 100%s; touch pwned & #'
RUN = RunPaths(Path("/runs/mine"))
SITE = {
    "python": "/opt/python/bin/python3",
    "environment": {"HF_HUB_OFFLINE": "1", "NOTE": "a 'b' $HOME"},
    "setup": ["module load cuda/12.4", "export TMPDIR=/scratch/$USER"],
    "srun_args": ["--cpu-bind=none", "--mpi=pmix"],
    "sbatch": {"nice": 100, "mail-type": "FAIL", "exclusive": True},
    "comment": "project 42",
    "umask": "027",
    "log_format": "json",
}
CODE = "code/0123456789ab"


def render(
    job: Job,
    cluster: Cluster,
    run: RunPaths = RUN,
    after: tuple[str, ...] = (),
    behind: tuple[str, ...] = (),
    count: int = 3,
    each: int = 1,
) -> str:
    elements = [range(start, start + each) for start in range(0, count * each, each)]
    submission = made.submission(job.name, elements, 7)
    comment = comment_of(made.RUN_ID, submission.key, cluster.comment)
    place = Place(comment=comment, throttle=job.resources.throttle, after=after, behind=behind)
    return render_script(job, submission, cluster, run, run.root / CODE, place)


def scripts() -> dict[str, str]:
    slurm, local = made.slurm_cluster(), Cluster(name="local", kind="local", python="/opt/python/bin/python3")
    array = made.job("web.filter", 3, cpus=2, mem_gb=3.5, throttle=2)
    train = made.job("pretrain", 1, ranks=16, cpus=8, mem_gb=0, time_min=720, ranks_per_node=8, gpus_per_node=8)
    asked = {"partition": "gpu", "account": "llm", "qos": "high", "constraint": "a100&nvlink", "exclude": "n[3-4]"}
    asked |= {"reservation": "llm", "licenses": "lustre:1,matlab"}
    packed = made.job("web.filter", 96, cpus=2, mem_gb=0, units_per_element=64, units_at_once=32, throttle=4)
    hostile = made.job(f"web.{HOSTILE}", 3, partition=HOSTILE)
    return {
        "array": render(array, slurm),
        "train": render(train, slurm, count=1),
        "packed": render(packed, slurm, count=2, each=48),
        "site": render(
            made.job("tokens.encode", 3, **asked), made.slurm_cluster(**SITE), after=("41", "42_3"), behind=("43",)
        ),
        "local": render(array, local),
        "apptainer": render(
            made.job("vision.train", 1, gpus_per_node=2),
            made.slurm_cluster(
                container={"kind": "apptainer", "image": "/images/torch.sif", "binds": ["/data"]},
                node_copy="/tmp",
                epilogue=['rm -rf "/scratch/$USER"'],
            ),
            count=1,
        ),
        "pyxis": render(
            made.job("vision.train", 1, ranks=2, gpus_per_node=2),
            made.slurm_cluster(
                container={"kind": "pyxis", "image": "nvcr.io#nvidia/torch:25.08", "binds": ["/data:/d"]}
            ),
            count=1,
        ),
        "hostile": render(hostile, slurm, RunPaths(Path("/runs") / HOSTILE)),
    }


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.iterdir()))
def test_a_script_equals_its_golden_file(name: str) -> None:
    path, text = GOLDEN / f"{name}.sh", scripts()[name]
    if os.environ.get("STAGECOACH_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_golden_file_has_its_test() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(scripts())


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.sh")), ids=lambda path: path.stem)
def test_a_script_parses(path: Path) -> None:
    done = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.sh")), ids=lambda path: path.stem)
def test_shellcheck_finds_nothing(path: Path) -> None:
    # A run that is called `touch pwned` in backquotes looks like a mistake: that it does not expand is the point.
    shellcheck = Path(sys.executable).parent / "shellcheck"
    found = subprocess.run(
        [shellcheck, "--exclude=SC2016,SC1078,SC1079", path], capture_output=True, text=True, check=False
    )
    assert found.stdout == ""


def test_every_sbatch_line_is_one_flag_without_blanks() -> None:
    for text in scripts().values():
        for line in re.findall(r"^#SBATCH .*$", text, re.MULTILINE):
            assert re.fullmatch(r"#SBATCH --[a-z-]+(=\S.*)?", line), line


def test_one_item_is_an_array_of_one() -> None:
    assert "#SBATCH --array=0-0%1\n" in render(made.job("a.x"), made.slurm_cluster(), count=1)


@pytest.mark.parametrize("name", ["A-B", "A B", "", "1A", "A\nB", "A;touch pwned"])
def test_a_variable_that_no_shell_can_carry_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="a variable name"):
        render(made.job("a.x"), made.slurm_cluster(environment={name: "x"}))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (8, "8"),
        ("gpu", "gpu"),
        ("a b", "'a b'"),
        ("a\n#SBATCH --partition=b", "'a #SBATCH --partition=b'"),
        ("a'b", "'a'\"'\"'b'"),
        ("$(x)", "'$(x)'"),
    ],
)
def test_a_flags_value_stays_on_its_line(value: Any, text: str) -> None:
    assert flag_value(value) == text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/r/a.\0.log", "/r/a.%a.log"),
        ("/r/100%j/a.\0.log", "/r/100%%j/a.%a.log"),
        ("/r/a\\b/a.\0.log", "/dev/null"),
        ("/r/a\nb/a.\0.log", "/dev/null"),
    ],
)
def test_the_log_that_slurm_opens_is_spelled_for_slurm(path: str, text: str) -> None:
    assert slurm_output(Path(path)) == text


def test_a_clusters_own_number_of_threads_wins() -> None:
    job = made.job("a.x", cpus=4)
    assert "export OMP_NUM_THREADS=4\n" in render(job, made.slurm_cluster())
    assert "export OMP_NUM_THREADS=1\n" in render(job, made.slurm_cluster(environment={"OMP_NUM_THREADS": "1"}))


def test_a_shapes_own_flags_stand_on_its_scripts_alone() -> None:
    cluster = made.slurm_cluster(sbatch={"exclusive": True, "nice": 5})
    asked = {"gpus_per_node": 8, "sbatch": {"gres": "gpu:8", "gpus-per-node": False, "nice": 9}}
    train, array = render(made.job("pretrain", 1, **asked), cluster), render(made.job("web.filter", 3), cluster)
    assert {"#SBATCH --gres=gpu:8", "#SBATCH --exclusive", "#SBATCH --nice=9"} <= {*train.splitlines()}
    assert "--gpus-per-node" not in train
    assert "--gres" not in array
    assert "#SBATCH --nice=5" in array


def test_processes_with_gpus_get_their_variables_unless_the_cluster_sets_them() -> None:
    job = made.job("pretrain", 1, gpus_per_node=1)
    assert "CUDA_DEVICE_MAX_CONNECTIONS=1" in render(job, made.slurm_cluster())
    theirs = render(job, made.slurm_cluster(environment={"CUDA_DEVICE_MAX_CONNECTIONS": "32"}))
    assert "CUDA_DEVICE_MAX_CONNECTIONS=32" in theirs
    assert "CUDA_DEVICE_MAX_CONNECTIONS=1" not in theirs
    assert "CUDA" not in render(made.job("web.filter", 3), made.slurm_cluster())


def test_flags_hold_the_resources_asked_for_and_no_others() -> None:
    job = made.job("a.x", 2, mem_gb=0, ranks_per_node=4)
    flags = sbatch_flags(job, made.submission("a.x", [(0,), (1,)]), made.slurm_cluster(), RUN, Place())
    assert not {"mem", "gpus-per-node", "partition", "account", "dependency"} & set(flags)
    assert (flags["nodes"], flags["ntasks"], flags["ntasks-per-node"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("asked", "ranks", "each", "lanes"),
    [
        ({}, 1, 1, 1),
        ({"units_at_once": 4}, 1, 1, 1),
        ({"units_at_once": 4, "units_per_element": 8}, 1, 8, 4),
        ({"units_at_once": 4, "units_per_element": 8}, 1, 3, 3),
        ({"units_at_once": 8, "units_per_element": 2}, 1, 2, 2),
        ({"units_at_once": 4, "units_per_element": 4}, 16, 1, 1),
    ],
)
def test_units_run_side_by_side_as_far_as_an_element_has_units_of_one_rank(
    asked: dict[str, int], ranks: int, each: int, lanes: int
) -> None:
    text = render(made.job("a.x", 24, ranks=ranks, ranks_per_node=8, **asked), made.slurm_cluster(), each=each)
    assert f"#SBATCH --ntasks={ranks * lanes}\n" in text
    assert f"--ntasks={ranks * lanes} --cpus-per-task=1" in text
    assert f"#SBATCH --nodes={-(-ranks // 8)}\n" in text
    assert (f"export STAGECOACH_LANES={lanes}\n" in text) == (lanes > 1)
    assert f"srun --kill-on-bad-exit={int(lanes == 1)} " in text


def test_the_local_cluster_has_no_lanes() -> None:
    job = made.job("a.x", 24, units_per_element=8, units_at_once=8)
    assert "STAGECOACH_LANES" not in render(job, Cluster(name="local", kind="local"), each=8)


class Stage:
    """A folder in which bash runs a script among stand-ins for Slurm and Python."""

    def __init__(self, folder: Path, python: str, local: bool = False, run: str = HOSTILE, **site: Any) -> None:
        self.folder, self.bin = folder, folder / "bin"
        self.python = write_fake(self.bin, "py thon", python)
        self.srun = write_fake(self.bin, "srun", 'while [[ $1 == -* ]]; do shift; done; "$@"')
        self.squeue = write_fake(self.bin, "squeue", 'echo "${QUEUE:-RUNNING None|}"')
        self.scontrol = write_fake(self.bin, "scontrol", "")
        self.run = RunPaths(folder / run)
        self.job: Job = made.job("web.filter", 3)
        self.submission: Submission = made.submission("web.filter", [(0,), (1,), (2,)], 7)
        kind = "local" if local else "slurm"
        site |= {"name": "x", "kind": kind, "python": str(self.bin / "py thon"), "environment": {"NOTE": HOSTILE}}
        cluster = Cluster(**site)
        (self.run.root / CODE).mkdir(parents=True)
        self.run.logs("web.filter").mkdir(parents=True)
        text = render_script(self.job, self.submission, cluster, self.run, self.run.root / CODE, Place())
        self.script = folder / "script.sh"
        self.script.write_text(text, encoding="utf-8")

    def begin(self, **more: str) -> subprocess.Popen[str]:
        # Slurm's own example of an element whose raw id is the whole array's.
        slurm = {
            "SLURM_ARRAY_JOB_ID": "40",
            "SLURM_ARRAY_TASK_ID": "2",
            "SLURM_JOB_ID": "40",
            "SLURM_JOB_NODELIST": "n1",
        }
        environment = {"PATH": f"{self.bin}:{os.environ['PATH']}", **slurm, **more}
        return subprocess.Popen(["bash", self.script], env=environment, cwd=self.folder, text=True)

    def play(self, **more: str) -> int:
        return self.begin(**more).wait(timeout=PATIENCE_S)

    @property
    def log(self) -> str:
        return self.run.log("web.filter", self.submission.key, 2).read_text(encoding="utf-8")


PYTHON = """\
case "$*" in
  *jobs.run.attempt_end*) echo "${VERDICT:-done}" ;;
  *) echo "the work: $NOTE in $PWD"; exit "${CODE:-0}" ;;
esac"""


def test_a_hostile_name_executes_nothing_and_the_log_lands_in_its_file(tmp_path: Path) -> None:
    stage = Stage(tmp_path, PYTHON)
    assert stage.play() == 0
    arguments = [str(stage.run.root), "web.filter", stage.submission.key]
    assert stage.python.calls() == [
        ["-u", "-m", "jobs.run.worker", *arguments],
        ["-m", "jobs.run.attempt_end", *arguments, "0"],
    ]
    assert stage.log == f"{BEGIN} 1 on an unknown node\nthe work: {HOSTILE} in {stage.run.root / CODE}\n"
    assert not list(tmp_path.rglob("pwned"))
    assert {path.name for path in tmp_path.iterdir()} == {"bin", "script.sh", HOSTILE}, "nothing lands beside the run"
    assert [path.name for path in (tmp_path / HOSTILE / "logs").rglob("*.log")] == [f"{stage.submission.key}.2.log"]


def test_setup_lines_may_use_unset_variables_and_change_the_directory(tmp_path: Path) -> None:
    setup = ['echo "loading $NOT_SET_ANYWHERE"', "cd /"]
    stage = Stage(tmp_path, PYTHON, run="run", setup=setup)
    assert stage.play() == 0
    assert stage.log == f"{BEGIN} 1 on an unknown node\nloading \nthe work: {HOSTILE} in {stage.run.root / CODE}\n"


def test_flags_become_words_of_a_command_line() -> None:
    assert flag_words({"time": 5, "exclusive": True, "wait": False}) == ["--time=5", "--exclusive"]


def test_a_step_is_started_by_srun_with_its_size(tmp_path: Path) -> None:
    stage = Stage(tmp_path, PYTHON)
    stage.play()
    assert stage.srun.calls()[0][:4] == ["--kill-on-bad-exit=1", "--ntasks=1", "--cpus-per-task=1", "--unbuffered"]


@pytest.mark.parametrize("code", [0, 1, 77, 85, 93, 137])
def test_the_works_exit_code_reaches_the_aftermath_and_slurm(tmp_path: Path, code: int) -> None:
    stage = Stage(tmp_path, PYTHON, run="run")
    assert stage.play(CODE=str(code)) == code
    assert stage.python.calls()[-1][-1] == str(code)


@pytest.mark.parametrize(
    ("verdict", "queue", "calls"),
    [
        ("done", "RUNNING None|", []),
        ("never", "RUNNING None|", []),
        ("failed", "RUNNING None|", []),
        ("cancelled", "RUNNING None|", []),
        ("requeue", "RUNNING None|", [["requeue", "40_2"]]),
        ("requeue 300", "RUNNING None|", [["requeue", "40_2"], ["update", "jobid=40_2", "starttime=now+300"]]),
        ("requeue", "COMPLETING TimeLimit|", [["requeue", "40_2"]]),
        ("requeue", "", [["requeue", "40_2"]]),
        ("requeue", "COMPLETING None|", []),
        ("bad-node n7", "RUNNING None|", [["requeue", "40_2"], ["update", "jobid=40_2", "excnodelist=n7"]]),
        ("bad-node n7", "RUNNING None|(null)", [["requeue", "40_2"], ["update", "jobid=40_2", "excnodelist=n7"]]),
        (
            "bad-node n7",
            "RUNNING None|n[1-2]",
            [["requeue", "40_2"], ["update", "jobid=40_2", "excnodelist=n[1-2],n7"]],
        ),
    ],
)
def test_a_verdict_becomes_calls_that_name_the_element_and_never_the_array(
    tmp_path: Path, verdict: str, queue: str, calls: list[list[str]]
) -> None:
    stage = Stage(tmp_path, PYTHON, run="run")
    stage.play(VERDICT=verdict, QUEUE=queue)
    assert stage.scontrol.calls() == calls


def test_a_requeue_that_slurm_refuses_is_in_the_log_with_the_remedy(tmp_path: Path) -> None:
    stage = Stage(tmp_path, PYTHON, run="run")
    write_fake(stage.bin, "scontrol", "exit 1")
    assert stage.play(VERDICT="requeue", CODE="85") == 85
    assert "could not requeue 40_2; 'launch.py heal' will start it again" in stage.log


def test_an_aftermath_that_breaks_does_not_start_the_element_again(tmp_path: Path) -> None:
    stage = Stage(
        tmp_path, 'case "$*" in *jobs.run.attempt_end*) echo requeue; exit 1 ;; *) exit 85 ;; esac', run="run"
    )
    assert stage.play() == 85
    assert stage.scontrol.calls() == []


def test_the_restart_is_slurms_count_and_not_one_that_the_launchers_own_job_left_behind(tmp_path: Path) -> None:
    stage = Stage(tmp_path, PYTHON, run="run")
    stage.play(STAGECOACH_RESTART="5", STAGECOACH_ELEMENT="9")
    stage.play(SLURM_RESTART_COUNT="3")
    restarts = [environment["STAGECOACH_RESTART"] for environment in stage.python.environments()]
    assert restarts == ["0", "0", "3", "3"]
    assert {environment["STAGECOACH_ELEMENT"] for environment in stage.python.environments()} == {"2"}


def test_a_local_element_ignores_an_allocation_around_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path, PYTHON, local=True, run="run")
    stage.play(STAGECOACH_ELEMENT="1", STAGECOACH_RESTART="4", SLURM_PROCID="0", SLURMD_NODENAME="n1")
    for environment in stage.python.environments():
        assert not [name for name in environment if name.startswith("SLURM")]
        assert (environment["STAGECOACH_ELEMENT"], environment["STAGECOACH_RESTART"]) == ("1", "4")


SAVES = """\
case "$*" in
  *jobs.run.attempt_end*) echo done ;;
  *) trap 'sleep 0.3; exit 85' TERM; echo $$ >.ready; mv .ready ready; while :; do sleep 0.05; done ;;
esac"""


@pytest.mark.parametrize("local", [True, False])
def test_a_signal_to_the_script_does_not_hide_how_the_work_ends(tmp_path: Path, local: bool) -> None:
    stage = Stage(tmp_path, SAVES, local, run="run")
    process = stage.begin(STAGECOACH_ELEMENT="2", STAGECOACH_RESTART="0")
    ready = stage.run.root / CODE / "ready"
    until(ready.exists, "the work has begun")
    process.send_signal(signal.SIGTERM)
    if not local:  # Slurm signals the step by itself
        os.kill(int(ready.read_text()), signal.SIGTERM)
    assert process.wait(timeout=PATIENCE_S) == 85
    assert stage.python.calls()[-1][-1] == "85"


def test_fakes_are_called_as_files_not_as_words(tmp_path: Path) -> None:
    made_here: Fake = write_fake(tmp_path, "a b", "echo $call")
    assert subprocess.run([tmp_path / "a b", "x y"], capture_output=True, text=True, check=True).stdout == "0\n"
    assert made_here.calls() == [["x y"]]


def test_a_sites_template_extends_the_launchers_and_may_not_lose_its_acts(tmp_path: Path) -> None:
    own = tmp_path / "site.sh.j2"
    own.write_text(
        '{% extends "job.sh.j2" %}{% block banner %}# Made for the North cluster.\n{% endblock %}'
        "{% block epilogue %}{{ super() }}sync\n{% endblock %}"
    )
    job = made.job("web.filter", 3)
    text = render(job, made.slurm_cluster(template=str(own), epilogue=["date"]))
    assert "# Made for the North cluster.\n# One array of Stagecoach." in text
    assert "\ndate\nsync\n# The verdict" in text
    plain = render(job, made.slurm_cluster())
    assert set(plain.splitlines()) <= set(text.splitlines())
    for body in ("#!/bin/bash\n{{ launch }} {{ worker }}\n", "{{ worker", "{{ ''.__class__ }}"):
        own.write_text(body)
        with pytest.raises((ConfigError, SecurityError)):
            render(job, made.slurm_cluster(template=str(own)))
    with pytest.raises(ConfigError, match="No such file"):
        render(job, made.slurm_cluster(template=str(tmp_path / "gone")))


def test_code_is_unpacked_once_a_node_and_a_strangers_copy_is_not_used(tmp_path: Path) -> None:
    run = RunPaths(tmp_path / "a run")
    code = run.root / CODE
    made.write_tree(code, {"jobs/a.py": "print('here')", "launch.py": ""})
    archive_of(code)
    cluster = made.slurm_cluster(node_copy=str(tmp_path / "node"))
    text = render(made.job("a", 1), cluster, run, count=1)
    lines = text[text.index("copy=") : text.index("set -u")]
    command = ["bash", "-c", f"{lines}\npwd; cat jobs/a.py"]
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))
    copies = list((tmp_path / "node").glob("stagecoach-*/*"))
    assert first == second == f"{copies[0]}\nprint('here')"
    assert len(copies) == 1, "nothing half unpacked is left"
    (copies[0] / ".whole").unlink()
    code.with_name(f"{code.name}.tar").unlink()
    fallback = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert fallback == f"{code}\nprint('here')"
