"""CPU cores that cgroups of both versions grant, read from made files."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.machine import cores


def write(folder: Path, quotas: dict[str, str]) -> None:
    for name, content in quotas.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content + "\n")


V1 = "cpu/docker/x/cpu.cfs_"


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        ("0::/", {"cpu.max": "200000 100000"}, 2),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/", {}, None),
        ("0::/user.slice/a", {"user.slice/a/cpu.max": "150000 100000"}, 1.5),
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, 0.5),
        ("0::/a/b", {"a/b/cpu.max": "400000 100000", "a/cpu.max": "300000 100000"}, 3),
        ("0::/of/the/host", {"cpu.max": "100000 100000"}, 1),  # the container sees its own alone
        ("0::/../sibling", {"cpu.max": "100000 100000"}, 1),
        ("0::/", {"cpu.max": "not a number"}, None),
        (
            "4:cpu,cpuacct:/docker/x\n3:memory:/m",
            {f"{V1}quota_us": "250000", f"{V1}period_us": "100000"},
            2.5,
        ),
        (
            "4:cpuacct,cpu:/docker/x",
            {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "50000"},
            2,
        ),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("3:cpuset:/docker/x", {f"{V1}quota_us": "1", f"{V1}period_us": "100000"}, None),
        (
            "4:cpu:/docker/x\n1:name=systemd:/s:t\n0::/",
            {f"{V1}quota_us": "300000", f"{V1}period_us": "100000", "cpu.max": "max 100000"},
            3,
        ),
    ],
)
def test_the_smallest_quota_on_the_way_up_counts(
    own: str, files: dict[str, str], quota: float | None, tmp_path: Path
) -> None:
    (tmp_path / "own").write_text(own + "\n")
    write(tmp_path / "cgroups", files)
    assert cores.cpu_quota(tmp_path / "cgroups", tmp_path / "own") == quota


def test_where_there_are_no_cgroups_there_is_no_quota(tmp_path: Path) -> None:
    assert cores.cpu_quota(tmp_path, tmp_path / "none") is None


@pytest.mark.parametrize(
    ("affinity", "quota", "expected"),
    [(8, None, 8), (8, 2.0, 2), (8, 2.5, 3), (8, 0.1, 1), (2, 16.0, 2), (1, 0.5, 1)],
)
def test_affinity_and_quota_both_limit(
    affinity: int, quota: float | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "affinity", lambda: affinity)
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    assert cores.cores() == expected
