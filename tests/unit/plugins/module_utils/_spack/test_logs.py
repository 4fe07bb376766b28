"""Logs of a build, and their ends."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._spack import logs_api
from ansible_collections.petal.hpc.plugins.module_utils._spack.logs import DEPTH, MOST, Log, chosen, is_log


@pytest.mark.parametrize(
    ("name", "log"),
    [
        ("install.log", True),
        ("spack-build-out.txt", True),
        ("spack-build-01-cmake-out.txt", True),
        ("LICENSE.txt", False),
        ("spack-build-env.txt", False),
        ("spack-build-env-mods.txt", False),
    ],
)
def test_what_a_log_is_called(name: str, log: bool) -> None:
    assert is_log(name) is log


def test_the_last_changed_come_first_and_not_all_of_them() -> None:
    logs = [Log(f"/{number}.log", 1, number) for number in range(MOST + 5)]
    assert [log.modified for log in chosen(logs)] == list(range(MOST + 4, 4, -1))
    assert logs[0].to_dict() == {"path": "/0.log", "size": 1, "modified": "1970-01-01T00:00:00Z"}


def test_files_and_directories_in_their_order_and_no_link(tmp_path: Path) -> None:
    named, stage = tmp_path / "named", tmp_path / "stage"
    deep = stage.joinpath(*"abcdefg")
    deep.mkdir(parents=True)
    secret = tmp_path / "secret.log"
    secret.write_text("secret")
    (stage / "a" / "link.log").symlink_to(secret)
    os.mkfifo(stage / "pipe.log")
    named.write_text("told")
    (deep.parents[6 - DEPTH] / "within.log").write_text("")
    (deep / "beyond.log").write_text("")
    (stage / "new.log").write_text("new")
    os.utime(stage / "new.log", (9e9, 9e9))
    found = logs_api.find([str(tmp_path / "absent"), str(named), str(stage), str(stage / "new.log")])
    assert [Path(log.path).name for log in found] == ["named", "new.log", "within.log"]
    assert logs_api.end(found[0]) == "told"


def test_old_ones_are_left_out_where_that_is_asked(tmp_path: Path) -> None:
    for name, age in [("old", 1000), ("new", 10)]:
        (tmp_path / f"{name}.log").write_text(name)
        os.utime(tmp_path / f"{name}.log", (time.time() - age, time.time() - age))
    assert [Path(log.path).name for log in logs_api.find([str(tmp_path)])] == ["new.log", "old.log"]
    assert [Path(log.path).name for log in logs_api.find([str(tmp_path)], 100)] == ["new.log"]


def test_of_a_long_one_the_end_is_read_and_what_went_away_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs_api, "END", 4)
    path = tmp_path / "a.log"
    path.write_text("begin end")
    (found,) = logs_api.find([str(path)])
    assert logs_api.end(found) == " end"
    path.unlink()
    assert logs_api.end(found) == ""
    path.symlink_to("/etc/passwd")
    assert logs_api.end(found) == ""
