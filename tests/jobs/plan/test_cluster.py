"""Cluster files are closed and typed; what ships in envs/ loads."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest

from jobs.plan.cluster import GPUS_FLAG, OWNED, Cluster, Resources, cluster_names, enter, load_cluster
from jobs.plan.validation import validated
from stages.shared.errors import ClusterError, ConfigError, StagecoachError
from tests.jobs.fakes import fake


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", cluster_names())
def test_every_cluster_file_that_ships_loads(name: str) -> None:
    assert load_cluster(name).name == name


def test_a_cluster_is_named_after_its_file(tmp_path: Path) -> None:
    made = load_cluster(write(tmp_path, "kind: slurm\ndefaults: {train: {gpus_per_node: 8}}\n"))
    assert (made.name, made.shape("train").gpus_per_node, made.shape("data").gpus_per_node) == ("mine", 8, 0)


def test_a_shape_without_an_entry_has_a_stand_in(tmp_path: Path) -> None:
    made = load_cluster(
        write(tmp_path, "kind: slurm\ndefaults: {train: {cpus: 8}, serve: {cpus: 2}, embed: {cpus: 3}}\n")
    )
    asked = {name: made.shape(name).cpus for name in ("data", "small", "train", "generate", "serve", "embed")}
    assert asked == {"data": 1, "small": 1, "train": 8, "generate": 8, "serve": 2, "embed": 3}


def test_a_shape_that_no_cluster_has_is_one_clear_error() -> None:
    with pytest.raises(ConfigError) as caught:
        Cluster(name="there", kind="slurm").shape("sreve")
    assert caught.value.setting == "defaults.sreve"
    assert "in the cluster file of there; did you mean 'serve'?" in caught.value.wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: slrum\n", r"mine\.yaml: kind .*'slrum'.*'slurm' or 'local'"),
        ("kind: local\nuser: me\n", r"mine\.yaml: user .*'me'.* a known key"),
        ("kind: local\ndefaults: {data: {cpu: 2}}\n", r"mine\.yaml: defaults\.data\.cpu .*did you mean 'cpus'\?"),
        (
            "kind: local\ndefaults: {data: {units_per_element: 0}}\n",
            r"units_per_element .* equal to 1",
        ),
        ("kind: local\ndefaults: {'a b': {}}\n", r"mine\.yaml: defaults\.a b"),
        ("name: x\n", r"mine\.yaml: kind .*cannot do without 'kind'"),
        ("- local\n", r"mine\.yaml: the file holds a list, not a mapping of cluster settings"),
        ("kind: [\n", r"mine\.yaml:2: a bracket or quote stays open"),
        ("", r"mine\.yaml: the file holds nothing"),
        ("kind: slurm\numask: 027\n", r'mine\.yaml:2: 027 is octal to some .* "027" for a string'),
        ("kind: slurm\nsbatch: {'x\\ny': 1}\n", r"mine\.yaml: sbatch\.x"),
    ],
)
def test_a_wrong_file_is_one_clear_error(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(StagecoachError, match=said):
        load_cluster(write(tmp_path, text))


def test_an_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'local'"):
        load_cluster("locla")


def test_auto_is_slurm_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert load_cluster("auto").name == "local"
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    fake(monkeypatch, tmp_path, "sbatch", "")
    fake(monkeypatch, tmp_path, "sinfo", "")
    assert load_cluster("auto").name == "slurm"


def test_auto_never_falls_back_from_a_slurm_that_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, tmp_path, "sbatch", "")
    fake(monkeypatch, tmp_path, "sinfo", "echo slurm_load_partitions: Unable to contact slurm controller >&2; exit 1")
    with pytest.raises(ClusterError, match=r"does not answer .*Unable to contact.*--cluster local"):
        load_cluster("auto")


@pytest.mark.parametrize(
    "name", [name for name, field in Resources.model_fields.items() if field.annotation in (int, float)]
)
@pytest.mark.parametrize("value", [-1, 1e12, True, math.inf, math.nan, "many", None, [1]])
def test_every_number_of_resources_has_bounds(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"defaults.data.{name} = "):
        validated(Cluster, {"name": "there", "kind": "local", "defaults": {"data": {name: value}}}, "")


@pytest.mark.parametrize("name", ["max_array_size", "signal_lead_s", "cores"])
@pytest.mark.parametrize("value", [-1, 1e12, True, "many"])
def test_every_number_of_a_cluster_has_bounds(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} = "):
        validated(Cluster, {"name": "there", "kind": "local", name: value}, "")


@pytest.mark.parametrize(
    "name", ["throttle", "cpus", "time_min", "units_per_element", "units_at_once", "ranks_per_node"]
)
def test_zero_of_what_every_job_has_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} = 0: must be greater than or equal to 1"):
        validated(Resources, {name: 0}, "")


def test_ranks_fill_nodes() -> None:
    asked = Resources(ranks_per_node=4)
    assert [asked.nodes(ranks) for ranks in (1, 4, 5, 8, 9)] == [1, 1, 2, 2, 3]


def test_entering_a_cluster_sets_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CONF", "/elsewhere")
    enter(Cluster(name="there", kind="slurm", environment={"SLURM_CONF": "/etc/there.conf"}))
    assert os.environ["SLURM_CONF"] == "/etc/there.conf"


@pytest.mark.parametrize(
    ("asked", "units", "ranks", "wanted"),
    [
        ({"units_per_element": 64}, 8, 1, 2),
        ({"units_per_element": 64}, 9, 1, 3),
        ({"units_per_element": 64}, 1000, 1, 64),
        ({"units_per_element": 64}, 0, 1, 1),
        ({"units_per_element": 64, "cpus": 3}, 8, 1, 8),
        ({"units_per_element": 64, "throttle": 2}, 8, 1, 4),
        ({"units_per_element": 64}, 8, 8, 8),
        ({}, 8, 1, 2),
        ({"units_per_element": 1}, 8, 1, 1),
    ],
)
def test_this_machine_shares_units_out_among_its_cores(
    asked: dict[str, int], units: int, ranks: int, wanted: int
) -> None:
    local = Cluster(name="x", kind="local", cores=4)
    assert local.shared_out(Resources(**asked), units, ranks).units_per_element == wanted
    slurm = Cluster(name="x", kind="slurm")
    assert slurm.shared_out(Resources(**asked), units, ranks) == Resources(**asked)


@pytest.mark.parametrize("flag", sorted(OWNED))
def test_a_flag_that_the_launcher_writes_is_refused_with_the_way_to_its_end(flag: str) -> None:
    with pytest.raises(ConfigError, match=rf"^sbatch = .*: must be flags without '{flag}': ") as caught:
        validated(Cluster, {"name": "x", "kind": "slurm", "sbatch": {"nice": 1, flag: "x"}}, "")
    assert OWNED[flag] in str(caught.value)


@pytest.mark.parametrize(
    "flag", ["arr", "com", "requ", "no-req", "dep", "out", "sig", "w", "n", "part", "cluster", "gpus"]
)
def test_the_beginning_of_such_a_flag_is_refused_too_since_sbatch_takes_it_for_the_flag(flag: str) -> None:
    with pytest.raises(ConfigError, match=rf"^sbatch = .*: must be flags without '{flag}': "):
        validated(Cluster, {"name": "x", "kind": "slurm", "sbatch": {flag: False}}, "")


def test_other_flags_of_a_site_are_taken() -> None:
    flags = {
        "mail-type": "FAIL",
        "exclusive": True,
        "nice": 10,
        "gres": "lustre",
        "time-min": 5,
        "wckey": "a",
        "bb": "x",
    }
    assert validated(Cluster, {"name": "x", "kind": "slurm", "sbatch": flags}, "").sbatch == flags


def test_the_flags_of_a_shape_are_held_to_the_same_and_may_ask_for_gpus_in_another_way() -> None:
    with pytest.raises(ConfigError, match=r"^defaults\.train\.sbatch = .*: must be flags without 'array': "):
        validated(Cluster, {"name": "x", "kind": "slurm", "defaults": {"train": {"sbatch": {"array": "0-3"}}}}, "")
    assert Resources(sbatch={GPUS_FLAG: False, "gres": "gpu:8"}).sbatch == {GPUS_FLAG: False, "gres": "gpu:8"}


def test_a_sites_comment_is_one_line() -> None:
    assert validated(Cluster, {"name": "x", "kind": "slurm", "comment": "project 42"}, "").comment == "project 42"
    with pytest.raises(ConfigError, match=r"^comment = "):
        validated(Cluster, {"name": "x", "kind": "slurm", "comment": "a\n#SBATCH --array=1"}, "")
