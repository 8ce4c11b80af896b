"""The proposed cluster file: valid settings that fit the partitions, with and without GPUs and accounting."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from jobs.checks.propose import parse_nodes, proposal, propose
from jobs.checks.scheduler import judge_shape, parse_config, parse_partitions
from jobs.plan.cluster import load_cluster
from stages.shared.errors import ClusterError
from tests.jobs.fakes import fake

PARTITIONS = """\
PartitionName=cpu AllowGroups=ALL Default=YES MaxTime=2-00:00:00 State=UP TotalCPUs=512
PartitionName=gpu AllowGroups=ALL Default=NO MaxTime=12:00:00 State=UP TotalCPUs=256
PartitionName=old AllowGroups=ALL Default=NO MaxTime=UNLIMITED State=DOWN
"""
NODES = """\
cpu|128|515000|(null)
cpu|64|257000|(null)
gpu|64|1030000|gpu:h100:4(S:0-1)
gpu|64|1030000|gpu:h100:4(S:0-1)
old|8|16000|(null)
"""


def loaded(folder: Path, text: str):  # type: ignore[no-untyped-def]
    (folder / "new.yaml").write_text(text)
    return load_cluster(str(folder / "new.yaml"))


def test_a_proposal_is_a_cluster_file_that_the_doctor_has_no_objection_to(tmp_path: Path) -> None:
    partitions = parse_partitions(PARTITIONS)
    text = proposal(partitions, parse_nodes(NODES), "/scratch/me/stagecoach", "/opt/python3", "project_42")
    cluster = loaded(tmp_path, text)
    train, data = cluster.shape("train"), cluster.shape("data")
    assert (train.partition, train.ranks_per_node, train.cpus, train.time_min) == ("gpu", 4, 16, 720)
    assert dict(train.sbatch) == {"gpus-per-node": False, "gres": "gpu:h100:4"}
    assert (data.partition, data.cpus, data.mem_gb, data.account) == ("cpu", 4, 14, "project_42")
    assert "old" not in text, "a partition that is down is not proposed"
    config = parse_config("MaxArraySize = 1001")
    for shape in ("data", "train", "small"):
        found = judge_shape(shape, cluster.shape(shape), partitions, config, cluster)
        assert not [finding for finding in found if finding.level == "fail"]


def test_without_gpus_and_default_all_shapes_are_of_one_partition(tmp_path: Path) -> None:
    partitions = parse_partitions("PartitionName=all Default=NO MaxTime=UNLIMITED State=UP\n")
    cluster = loaded(tmp_path, proposal(partitions, parse_nodes("all|8+|64000+|(null)"), "/r", "/p", None))
    assert {cluster.shape(name).partition for name in ("data", "train", "small")} == {"all"}
    assert (cluster.shape("train").gpus_per_node, cluster.shape("train").account) == (0, None)


def test_a_cluster_without_a_partition_that_is_up_has_no_proposal() -> None:
    with pytest.raises(ClusterError, match="no partition"):
        proposal(parse_partitions("PartitionName=a State=DOWN"), {}, "/r", "/p", None)


def test_the_clusters_own_words_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake(monkeypatch, tmp_path, "scontrol", f"cat <<'END'\n{PARTITIONS}END")
    fake(monkeypatch, tmp_path, "sinfo", f"cat <<'END'\n{NODES}END")
    fake(monkeypatch, tmp_path, "sacctmgr", "echo project_7")
    values = yaml.safe_load(propose({"SCRATCH": "/scratch/me/"}))
    assert (values["runs"], values["defaults"]["small"]["account"]) == ("/scratch/me/stagecoach", "project_7")
