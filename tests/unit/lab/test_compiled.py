# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes in a zip file is compiled once in a run of the tests, and never taken for something else."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

COMPILED = Path(__file__).parents[2] / "lab" / "compiled"


def says(archive: Path, source: str, kept: Path) -> str:
    """What a module of an archive prints, as a module of Ansible's is imported."""
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("sent.py", source)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(archive)!r}); import sent"],
        env={**os.environ, "PYTHONPATH": str(COMPILED), "PETAL_COMPILED": str(kept)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_the_second_one_takes_what_the_first_one_compiled_under_its_own_name(tmp_path: Path) -> None:
    source = "print((lambda: 0).__code__.co_filename)"
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    assert says(first, source, tmp_path) == f"{first}/sent.py"
    kept = [path for path in tmp_path.iterdir() if path.suffix != ".zip"]
    assert len(kept) == 1
    before = kept[0].stat().st_ino
    assert says(second, source, tmp_path) == f"{second}/sent.py"
    assert kept[0].stat().st_ino == before
    assert len([path for path in tmp_path.iterdir() if path.suffix != ".zip"]) == 1


def test_another_source_is_compiled_anew(tmp_path: Path) -> None:
    assert says(tmp_path / "a.zip", "print('one')", tmp_path) == "one"
    assert says(tmp_path / "a.zip", "print('two')", tmp_path) == "two"


def test_what_cannot_be_kept_or_read_is_compiled_as_ever(tmp_path: Path) -> None:
    assert says(tmp_path / "a.zip", "print('one')", tmp_path / "missing") == "one"
    assert says(tmp_path / "a.zip", "print('one')", tmp_path) == "one"
    kept = next(path for path in tmp_path.iterdir() if path.suffix != ".zip")
    kept.write_bytes(b"")
    assert says(tmp_path / "a.zip", "print('one')", tmp_path) == "one"
