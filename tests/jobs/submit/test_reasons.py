"""Slurm's reasons for a pending job: those that never end, with the setting to change, and those that do."""

from __future__ import annotations

import pytest

from jobs.submit.reasons import never_starts, why_never


@pytest.mark.parametrize(
    ("reason", "settings"),
    [
        ("PartitionTimeLimit", "time_min"),
        ("QOSTimeLimit", "time_min"),
        ("AssociationTimeLimit", "time_min"),
        ("AssocMaxWallDurationPerJobLimit", "time_min"),
        ("QOSMaxWallDurationPerJobLimit", "time_min"),
        ("QOSMaxCpuMinutesPerJobLimit", "time_min or cpus"),
        ("AssocMaxCPUMinutesPerJobLimit", "time_min or cpus"),
        ("PartitionNodeLimit", "ranks_per_node"),
        ("AssocMaxNodePerJobLimit", "ranks_per_node"),
        ("QOSMinNode", "ranks_per_node"),
        ("AssocMaxCpuPerJobLimit", "cpus"),
        ("QOSMaxCpuPerNode", "cpus"),
        ("QOSMinCpuNotSatisfied", "cpus"),
        ("AssocMaxMemPerJob", "mem_gb"),
        ("QOSMaxMemoryPerJob", "mem_gb"),
        ("MaxMemPerLimit", "mem_gb"),
        ("QOSMaxGRESPerJob", "gpus_per_node"),
        ("AssocMaxGRESPerJob", "gpus_per_node"),
        ("QOSMaxLicensePerJob", "licenses"),
        ("BadConstraints", "constraint"),
        ("PartitionConfig", "cpus, mem_gb, gpus_per_node, time_min or partition"),
        ("InvalidAccount", "account"),
        ("AssocGrpCPUMinutesLimit", "account"),
        ("QOSGrpGRESMinutes", "account"),
        ("InvalidQOS", "qos"),
        ("QOSNotAllowed", "qos"),
        ("ReservationDeleted", "reservation"),
        ("QOSMaxBBPerJob", ""),
        ("QOSMinBilling", ""),
    ],
)
def test_what_never_starts_names_the_setting_to_change(reason: str, settings: str) -> None:
    assert never_starts(reason) == settings
    text = why_never("web.filter", reason, settings)
    assert text.startswith(f"{reason}: Slurm never starts it. Change ")
    setting = f" ({settings})" if " or " in settings else f".{settings}" if settings else ""
    assert f" resources.web.filter{setting}, then" in text


@pytest.mark.parametrize(
    "reason",
    [
        "None",
        "Priority",
        "Resources",
        "Dependency",
        "BeginTime",
        "JobArrayTaskLimit",
        "Licenses",
        "Reservation",
        "Cleaning",
        "Prolog",
        "NodeDown",
        "ReqNodeNotAvail,_UnavailableNodes:n1",
        "PartitionDown",
        "PartitionInactive",
        "JobHeldUser",
        "QOSMaxJobsPerUserLimit",
        "AssocGrpCpuLimit",
        "AssocMaxJobsLimit",
        "QOSGrpCPURunMinutesLimit",
        "AssocGrpMemRunMinutes",
        "QOSMaxCpuPerUserLimit",
        "QOSMaxGRESPerUser",
        "MaxGRESPerAccount",
        "QOSMaxNodePerUserLimit",
        "QOSMaxSubmitJobPerUserLimit",
        "QOSUsageThreshold",
    ],
)
def test_what_starts_when_others_have_ended_is_left_alone(reason: str) -> None:
    assert never_starts(reason) is None


def test_words_behind_a_reason_change_nothing() -> None:
    assert never_starts("PartitionTimeLimit (see the partition)") == "time_min"
