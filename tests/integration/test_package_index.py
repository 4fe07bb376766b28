"""The index of packages in the tree says what the real Spack says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import spack_at_hand
from playing import ROOT, environment

from ansible_collections.petal.hpc.plugins.plugin_utils.package_index import INDEX

GENERATOR = Path(spack_at_hand.__file__).with_name("package_index.py")
#: A plain one, one with much inherited from build systems, a compiler, an external only, and a virtual package.
NAMES = ("zlib", "hdf5", "gcc", "idl", "mpi")


@pytest.mark.skipif(not spack_at_hand.mirror_dir(), reason=spack_at_hand.no_mirror())
def test_lines_of_a_few_packages() -> None:
    made = subprocess.run(
        [sys.executable, "-B", str(GENERATOR), *NAMES],
        cwd=ROOT,
        env=environment(PYTHONPATH=".collections:tests/lab"),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=600,
    )
    lines = [line for line in INDEX.read_text().splitlines() if line.partition(" ")[0] in ("#", *NAMES)]
    assert made.stdout.splitlines() == lines
    assert len(lines) == 2 + len(NAMES)
