"""Install one package graph twice, as the usual bootstrap script does and as the role does, and compare.

    bench.py [--seconds S] [--sleep S] [--keep DIRECTORY]

The graph is that of tests/lab/package_graph.py: 21 small C packages, 8 roots, longest chain 5.

script   Spack with its own defaults, as the scripts of clusters use it: the packages' repository is checked out, the
         operating system's build tools are looked up once, then one `spack install SPEC` after another.
role     petal.hpc.spack and petal.hpc.spack_environment, started by ansible-playbook; then the same play again.

Both install on an ext4 file system of their own on a loop device, from the same mirror, with cold caches. The volume's
written bytes are the kernel's count for the device. Everything runs at nice 5, in a mount namespace of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import package_graph
import spack_at_hand
from playing import ROOT, command, environment

from ansible_collections.petal.hpc.plugins.module_utils._seed.model import (
    DEFAULT_SPACK_PACKAGES_REF,
    DEFAULT_SPACK_REF,
)

PLAYBOOK = "tests/bench/bench.yml"
IN_NAMESPACE = "PETAL_BENCH_NAMESPACE"
#: What scripts take from the operating system instead of building it.
TOOLS = ("gmake", "cmake")
#: A line of Spack's that says that work on a package has begun.
BUILDING = re.compile(r"^(\[.\]|==> Installing) ")


@dataclass(frozen=True)
class Refs:
    """Git references of Spack and of its packages."""

    spack: str
    packages: str


@dataclass(frozen=True)
class Side:
    """What one way of installing took. Seconds but for the counts; live and written in bytes."""

    setup: float
    concretize: float
    install: float
    solves: int
    written: int
    live: int
    warm: float

    @property
    def packages(self) -> float:
        """From specs to installed packages."""
        return self.concretize + self.install


# -- volumes ------------------------------------------------------------------------------------------------------


def written(stat: str) -> int:
    """Bytes written, in the kernel's statistics of a block device (Documentation/block/stat: 512-byte sectors)."""
    return int(stat.split()[6]) * 512


def written_now(device: str) -> int:
    os.sync()
    return written(Path("/sys/block", Path(device).name, "stat").read_text())


def live(directory: Path) -> int:
    """Bytes in use by what stands on a volume."""
    done = subprocess.run(
        ["du", "--one-file-system", "--summarize", "--block-size=1", str(directory)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[0])


@contextmanager
def volume(image: Path, directory: Path) -> Iterator[str]:
    """A new ext4 file system on a loop device, mounted; the device."""
    with image.open("wb") as file:
        file.truncate(8 << 30)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    directory.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(directory)], check=True)
    try:
        found = subprocess.run(
            ["findmnt", "--noheadings", "--output", "SOURCE", str(directory)],
            capture_output=True,
            text=True,
            check=True,
        )
        yield found.stdout.strip()
    finally:
        subprocess.run(["umount", str(directory)], check=True)


# -- the two sides ------------------------------------------------------------------------------------------------


def role(root: Path, repository: Path, refs: Refs) -> tuple[Side, dict[str, Any]]:
    """Install by the role, twice; also the environment's record of the first run."""
    result = root / "result.json"
    variables = {
        "bench_root": str(root),
        "bench_repository": str(repository),
        "bench_specs": list(package_graph.SPECS),
        "bench_result": str(result),
        "spack_version": refs.spack,
        "spack_packages_version": refs.packages,
        **spack_at_hand.variables(),
    }
    (root / "volume").mkdir()
    arguments = [*command(PLAYBOOK), "-e", json.dumps(variables)]
    try:
        run(arguments, cwd=ROOT, env=environment())
        first = json.loads(result.read_text())
        bytes_written = written_now(first["device"]) - written(first["before"])
        in_use = live(root / "volume")
        warm = run(arguments, cwd=ROOT, env=environment())
    finally:
        subprocess.run(["umount", str(root / "volume")], check=False, capture_output=True)
    found = first["environment"]
    solving = float(found["concretize_s"])
    side = Side(first["setup_s"], solving, first["packages_s"] - solving, found["solves"], bytes_written, in_use, warm)
    return side, found


def run(arguments: list[str], **options: Any) -> float:
    """Run to success; seconds."""
    started = time.monotonic()
    done = subprocess.run(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)[:200]} failed:\n{done.stdout[-8000:]}")
    return time.monotonic() - started


def script(root: Path, repository: Path, refs: Refs, python: Path) -> Side:
    """Install as scripts do. python: an interpreter that has Spack's solver, which scripts would download."""
    home = root / "home"
    home.mkdir()
    with volume(root / "script.img", root / "volume") as device:
        spack, packages = root / "volume" / "spack", root / "volume" / "packages"
        variables = {
            "HOME": str(home),
            "PATH": f"{spack}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "USER": "root",
            "TMPDIR": str(root),
            "SPACK_PYTHON": str(python),
            # The site's mirror stands for the internet; everything else is as Spack comes.
            "SPACK_DISABLE_LOCAL_CONFIG": "1",
            "SPACK_USER_CACHE_PATH": str(home / ".spack"),
        }
        before = written_now(device)
        setup = fetch_spack(spack, packages, refs, variables)
        mirror = spack_at_hand.mirror_dir()
        steps = [
            ["spack", "repo", "set", "--scope", "site", "--destination", str(packages), "builtin"],
            ["spack", "repo", "add", "--scope", "site", str(repository)],
            ["spack", "external", "find", "--scope", "site", "--not-buildable", *TOOLS],
        ]
        if mirror:
            steps.append(["spack", "mirror", "add", "--scope", "site", "site", f"file://{mirror}/sources"])
        setup += sum(run(step, env=variables) for step in steps)
        times = [install(spec, variables) for spec in package_graph.SPECS]
        bytes_written, in_use = written_now(device) - before, live(root / "volume")
        warm = sum(sum(install(spec, variables)) for spec in package_graph.SPECS)
    return Side(
        setup=setup,
        concretize=sum(solving for solving, _building in times),
        install=sum(building for _solving, building in times),
        solves=len(times),
        written=bytes_written,
        live=in_use,
        warm=warm,
    )


def fetch_spack(spack: Path, packages: Path, refs: Refs, variables: Mapping[str, str]) -> float:
    """Check Spack and its packages out, shallow; seconds."""
    mirror = spack_at_hand.mirror_dir()
    upstream = f"file://{mirror}" if mirror else "https://github.com/spack"
    seconds = 0.0
    for path, name, ref in ((spack, "spack", refs.spack), (packages, "spack-packages", refs.packages)):
        seconds += run(["git", "init", "--quiet", str(path)], env=variables)
        fetch = ["git", "-C", str(path), "fetch", "--quiet", "--depth=1", f"{upstream}/{name}.git", ref]
        seconds += run(fetch, env=variables)
        seconds += run(["git", "-C", str(path), "checkout", "--quiet", "--detach", "FETCH_HEAD"], env=variables)
    return seconds


def install(spec: str, variables: Mapping[str, str]) -> tuple[float, float]:
    """``spack install SPEC``: seconds until the first package is worked on, and from then on."""
    started = time.monotonic()
    begun = None
    process = subprocess.Popen(
        ["spack", "install", *spec.split()],
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    for line in process.stdout or ():
        lines.append(line)
        if begun is None and BUILDING.match(line):
            begun = time.monotonic()
    if process.wait() != 0:
        raise SystemExit(f"spack install {spec} failed:\n{''.join(lines)[-4000:]}")
    ended = time.monotonic()
    return (begun or ended) - started, ended - (begun or ended)


# -- the report ---------------------------------------------------------------------------------------------------


def table(scripted: Side, ours: Side, chain: float) -> str:
    def ratio(one: float, other: float) -> str:
        return f"{one / other:8.1f}" if other else "       -"

    rows = [
        ("provide Spack, s", scripted.setup, ours.setup),
        ("concretize, s", scripted.concretize, ours.concretize),
        ("install, s", scripted.install, ours.install),
        ("specs to packages, s", scripted.packages, ours.packages),
        ("all of it, s", scripted.setup + scripted.packages, ours.setup + ours.packages),
        ("all of it again (warm), s", scripted.warm, ours.warm),
        ("concretizations", scripted.solves, ours.solves),
        ("written to the volume, MB", scripted.written / 1e6, ours.written / 1e6),
        ("live on the volume, MB", scripted.live / 1e6, ours.live / 1e6),
        ("written to live", scripted.written / scripted.live, ours.written / ours.live),
    ]
    lines = [f"{'':28}{'script':>10}{'role':>10}{'ratio':>8}"]
    for title, one, other in rows:
        form = ".2f" if title == "written to live" else "d" if isinstance(one, int) else ".1f"
        lines.append(f"{title:28}{one:10{form}}{other:10{form}}{ratio(one, other)}")
    lines.append(f"{'longest chain by hand, s':28}{'':10}{chain:10.1f}")
    return "\n".join(lines)


def summary(scripted: Side, ours: Side, chain: float) -> str:
    figures = {
        "install_wall_ratio": scripted.packages / ours.packages,
        "critical_path_ratio": ours.install / chain,
        "written_to_live": ours.written / ours.live,
        "warm_rerun_s": ours.warm,
    }
    return " ".join(f"{name}={value:.2f}" for name, value in figures.items())


def measure(root: Path, seconds: float, sleep: float, refs: Refs) -> None:
    functions = package_graph.functions_for(seconds)
    repository = package_graph.write(root / "graph", functions, sleep)
    print(
        f"{len(package_graph.GRAPH)} packages, {len(package_graph.ROOTS)} roots, longest chain"
        f" {len(package_graph.LONGEST_CHAIN)}; each compiles {functions} functions (about {seconds:g} s on one core)"
        f" and sleeps {sleep:g} s; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    chain = package_graph.chain_by_hand(root / "by-hand", functions, sleep, os.cpu_count() or 1)
    print(f"by hand: {chain:.0f} s for the longest chain", flush=True)
    for side in ("role", "script"):
        (root / side).mkdir()
    ours, record = role(root / "role", repository, refs)
    print(f"role: {ours.packages:.0f} s from specs to {len(record['packages'])} packages", flush=True)
    scripted = script(root / "script", repository, refs, root / "role" / "cache" / "venv" / "bin" / "python3")
    print(f"script: {scripted.packages:.0f} s from specs to packages\n", flush=True)
    print(table(scripted, ours, chain))
    print(summary(scripted, ours, chain))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2, help="work of the compiler for each package")
    parser.add_argument("--sleep", type=float, default=0, help="seconds that each build waits in addition")
    parser.add_argument("--keep", type=Path, help="work in this empty directory and keep it")
    parser.add_argument("--spack", default=DEFAULT_SPACK_REF, metavar="REF", help="default: %(default)s")
    parser.add_argument("--packages", default=DEFAULT_SPACK_PACKAGES_REF, metavar="REF", help="default: %(default)s")
    given = parser.parse_args(arguments)
    if os.geteuid() != 0:
        print("loop devices and mounts need root")
        return 1
    if reason := spack_at_hand.why_not():
        print(reason)
        return 1
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
    directory = given.keep.absolute() if given.keep else Path(tempfile.mkdtemp(prefix="petal-bench-"))
    try:
        measure(directory, given.seconds, given.sleep, Refs(given.spack, given.packages))
    finally:
        if not given.keep:
            shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    if IN_NAMESPACE not in os.environ:
        # Mounts of its own: nobody else holds them, and they go away with it.
        os.environ[IN_NAMESPACE] = "1"
        os.nice(5)
        unshare = ["unshare", "--mount", "--propagation", "private"] if os.geteuid() == 0 else ["env"]
        os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv])
    sys.exit(main(sys.argv[1:]))
