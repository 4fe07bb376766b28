# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is checked out is read, and not run."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._spack.checkout_api import look

COMMIT = "1" * 40


def test_nothing_is_there(tmp_path: Path) -> None:
    assert look(tmp_path / "none", tmp_path / "nothing") == {"commits": {}, "release": ""}


def test_commits_and_the_release_are_read(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "spack" / "spack"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('import no_such_module\nspack_version = "1.2.0"\nx = 1\n')
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(f"{COMMIT}\n")
    # A directory in a checkout is none.
    assert look(tmp_path, tmp_path / "lib") == {"commits": {"spack": COMMIT}, "release": "1.2.0"}
