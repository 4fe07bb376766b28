# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script that travels as text: what a directory of packages holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._python import outcomes


def test_what_is_installed_is_read_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "run.pth").write_text("import sys; sys.exit('it was run')\n")
    package, metadata = tmp_path / "six", tmp_path / "six-1.17.0.dist-info"
    package.mkdir()
    metadata.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('it was run')\n")
    (metadata / "METADATA").write_text("Metadata-Version: 2.4\nName: Six\nVersion: 1.17.0\nLicense-Expression: MIT\n")
    (metadata / "WHEEL").write_text("Wheel-Version: 1.0\nTag: py2-none-any\nTag: py3-none-any\n")
    (metadata / "RECORD").write_text("six/__init__.py,,\nsix/moves.py,,\nsix-1.17.0.dist-info/RECORD,,\nalone.py,,\n")
    argv = outcomes.inspect_argv(sys.executable, str(tmp_path))
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    (found,) = outcomes.distributions(done.stdout)
    assert (found.name, found.version, found.license) == ("six", "1.17.0", "MIT")
    assert found.files == ("six/__init__.py", "alone.py")
    assert found.tags == ("py2-none-any", "py3-none-any")
