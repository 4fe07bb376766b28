# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which directories are of runs of the tests, and which of these runs live."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from leftovers import TRUST, TRUTH, own_directory, root_of, run_command, sweep

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("petal-truth-x/store/volumes/a.img", "petal-truth-x"),
        ("petal-trust-x", "petal-trust-x"),
        ("pytest-of-me/pytest-12/test_a0/store", "pytest-of-me/pytest-12"),
        ("pytest-of-me/pytest-current/test_a0", None),
        ("pytest-of-me", None),
        ("elsewhere/petal-truth-x", None),
        ("", None),
    ],
)
def test_the_directory_of_a_run_is_known_by_its_name(temporary: Path, path: str, root: str | None) -> None:
    assert root_of(temporary / path) == (root and temporary / root)


def test_what_lies_elsewhere_is_of_no_run() -> None:
    assert root_of("/var/lib/petal/volumes/petal-truth-x.img") is None


def test_a_case_that_runs_keeps_its_directory_and_one_that_was_killed_does_not(temporary: Path) -> None:
    killed = temporary / f"{TRUTH}killed"
    killed.mkdir()
    with own_directory(TRUST) as used:
        (used / "file").touch()
        assert list(sweep(Host(run_command))) == [f"{killed}: removed"]
        assert (used / "file").exists()
    assert list(temporary.iterdir()) == []


def test_a_pytest_that_runs_keeps_its_directory_and_one_that_was_killed_does_not(temporary: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        # The number of the killed one belongs to somebody else by now; the third has ended by itself.
        for number, pid in (("1", os.getpid()), ("2", other.pid), ("3", None)):
            place = temporary / "pytest-of-me" / f"pytest-{number}"
            place.mkdir(parents=True)
            if pid:
                (place / ".lock").write_text(str(pid))
        assert list(sweep(Host(run_command))) == [f"{temporary}/pytest-of-me/pytest-2: removed"]
        other.kill()
    assert sorted(path.name for path in temporary.glob("*/*")) == ["pytest-1", "pytest-3"]


def test_others_cannot_pass_a_link_off_as_theirs(temporary: Path) -> None:
    (temporary / "precious").mkdir()
    (temporary / f"{TRUTH}x").symlink_to(temporary / "precious")
    assert list(sweep(Host(run_command))) == []
    assert (temporary / "precious").is_dir()
