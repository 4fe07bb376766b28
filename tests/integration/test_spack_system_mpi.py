"""An MPI of the operating system, as an external in the seed: what is built with it stands below its module."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import package_graph
import pytest
from readonly_site import ReadonlySite, public_directory, reason_not_to
from volume_image import on_volume

MOUNT_DIR = Path("/petal-system-mpi")
MPIRUN = Path("/usr/bin/mpirun.openmpi")


def openmpi() -> str:
    """The version of Debian's Open MPI; empty where there is none."""
    if not MPIRUN.exists() or not Path("/usr/bin/mpicc").exists():
        return ""
    said = subprocess.run([MPIRUN, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\((?:Open MPI|OpenRTE)\) (\S+)", said)
    return found[1] if found else ""


@pytest.mark.skipif(bool(reason_not_to()), reason=reason_not_to() or "it can be done here")
@pytest.mark.skipif(not openmpi(), reason="the packages openmpi-bin and libopenmpi-dev are not installed")
def test_what_an_mpi_of_the_operating_system_builds_stands_below_its_module() -> None:
    external = {"spec": f"openmpi@{openmpi()}", "prefix": "/usr"}
    packages = {"openmpi": {"buildable": False, "externals": [external]}, "mpi": {"require": "openmpi"}}
    software = {"spack_packages": ["lab-r4"], "spack": {"config": {"packages": packages}}}
    with public_directory(MOUNT_DIR) as directory:
        site = ReadonlySite(directory, MOUNT_DIR)
        recipes = package_graph.write(directory / "graph")
        site.make("system-mpi", 2, software, {"spack_repositories": {package_graph.NAMESPACE: str(recipes)}})
        manifest = json.loads(on_volume(site.image, "manifest.json"))
        loads = {module["name"]: module["load"] for module in manifest["modules"]}
        mpi = f"openmpi/{openmpi()}"
        assert loads == {mpi: [mpi], "lab-r4/1.0": [mpi, "lab-r4/1.0"]}
        # A node without it cannot use the volume.
        assert [entry["path"] for entry in manifest["requires"]] == ["/usr/bin/mpirun"]
        assert site.run(f"{site.profile}module load lab-r4").status != 0
        site.expects(
            ["lab-r4 3 on 2", "lab-r4 3 on 2"],
            f"{site.profile}module load {mpi} lab-r4\nmpirun --oversubscribe -n 2 lab-r4",
        )
        # What everybody has stays where it is in the search paths.
        site.expects(["/usr/bin/mpicc", "/usr/bin:/bin"], f"{site.profile}module load {mpi}\ntype -P mpicc\necho $PATH")
