"""The cluster files that ship: all load, and the example explains every setting there is."""

from __future__ import annotations

import pytest

from jobs.plan.cluster import ENVS, Cluster, Resources, cluster_names, load_cluster


@pytest.mark.parametrize("name", cluster_names())
def test_every_cluster_file_is_valid(name: str) -> None:
    assert load_cluster(name).name == name


def test_the_example_shows_every_setting_of_a_slurm_cluster() -> None:
    text = (ENVS / "example-slurm.yaml").read_text()
    settings = {*Cluster.model_fields, *Resources.model_fields} - {"name", "testbed", "cores"}
    assert [name for name in sorted(settings) if f"{name}:" not in text] == []


def test_the_clusters_that_the_readme_promises_are_there() -> None:
    assert {"local", "slurm", "testbed", "example-slurm"} <= set(cluster_names())
