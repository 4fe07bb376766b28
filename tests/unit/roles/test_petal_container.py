"""What runs programs of containers, with a stand-in for Apptainer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from node_hook import render


@pytest.mark.parametrize("name", ["apptainer", "awk", "grep"])
@pytest.mark.parametrize("whose", ["volume", "node"])
def test_a_program_that_is_called_as_what_runs_it_does_not_run_itself(tmp_path: Path, name: str, whose: str) -> None:
    volume, node = tmp_path / "volume", tmp_path / "node"
    programs = volume / "containers/programs/tools/1/bin"
    runtime = (volume / "containers/apptainer/bin" if whose == "volume" else node) / "apptainer"
    image = volume / "containers/images/sha256/ab.sqsh"
    for file in (runtime, programs / name, volume / "containers/bin/petal-container", image):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o755)
    template = "containers/templates/petal-container.j2"
    script = render(template, containers_mount_dir=str(volume), containers_binds=[])
    (volume / "containers/bin/petal-container").write_text(script)
    runtime.write_text('#!/bin/sh\necho "ran by $0: $*"\n')
    called = tmp_path / "called"
    (programs / name).write_text(f"#!/bin/sh\n: >{called}\nexit 9\n")
    done = subprocess.run(
        [volume / "containers/bin/petal-container", "ab", "--", "tool", "a b"],
        env={"PATH": f"{programs}:{node}:{os.environ['PATH']}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr, called.exists()) == (0, "", False)
    assert done.stdout.startswith(f"ran by {runtime}: ") and done.stdout.endswith(f"{image} tool a b\n")
