"""How installations with the real Spack end that nothing is wrong with: killed, or without any space left."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from spack_lab import Lab, fail, made_at, run

#: Recipes whose build ends another way than by failing, by name.
ENDS = {
    # As the out-of-memory killer does, which takes the largest: Spack itself, or the process that builds.
    "petal_kills_spack": "os.kill(os.getppid(), signal.SIGKILL)\n        time.sleep(30)",
    # What it printed reaches the log by another thread of the same process.
    "petal_kills_build": "time.sleep(1)\n        os.kill(os.getpid(), signal.SIGKILL)",
    "petal_kills_compiler": 'Executable("/bin/sh")("-c", "echo working; kill -9 $$")',
    # More than there is room for, in the prefix; as fast as a disk is, and not as memory.
    "petal_fills": 'with open(prefix.join("much"), "wb") as stream:\n'
    "            while True:\n                stream.write(bytes(1024**2))\n                time.sleep(0.02)",
}
RECIPE = '''\
import os
import signal
import time

from spack_repo.builtin.build_systems.generic import Package

from spack.package import *


class {class_name}(Package):
    """A program of a test."""

    has_code = False
    version("1.0")
    depends_on("petal-quick")

    def install(self, spec, prefix):
        print("working")
        mkdirp(prefix)
        {does}
'''


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    for lab in made_at(tmp_path_factory.mktemp("ends")):
        for name, does in ENDS.items():
            directory = lab.root / "spack_repo" / "petal_test" / "packages" / name
            directory.mkdir(parents=True)
            class_name = "".join(part.capitalize() for part in name.split("_"))
            (directory / "package.py").write_text(RECIPE.format(class_name=class_name, does=does))
        yield lab


def memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1024**3:.1f} GiB of memory"


def test_spack_itself_is_killed(lab: Lab) -> None:
    lab.forget("spack-killed", "petal-quick")
    message = fail(**lab.arguments("spack-killed", "petal-kills-spack", concurrency=6))["msg"]
    assert message.startswith("The installation of the environment spack-killed on ")
    assert "Spack was ended by signal 9 (SIGKILL)." in message
    assert f"has {memory()}, for 6 jobs at once: run again with fewer, -e spack_jobs=3" in message
    assert "It was at work on petal-kills-spack@1.0." in message
    assert "no message" not in message
    # What was finished is taken over, although Spack could not write it down.
    assert run(**lab.arguments("spack-killed", "petal-quick"))["environment"]["finished"]
    assert lab.builds() == ["quick"]


@pytest.mark.parametrize(
    ("package", "who"),
    [
        ("petal-kills-build", "The process of the build was gone before it could say why: it was ended by signal 9"),
        ("petal-kills-compiler", "A process of the build was ended by signal 9 (SIGKILL)."),
    ],
)
def test_a_process_of_a_build_is_killed(lab: Lab, package: str, who: str) -> None:
    failed = fail(**lab.arguments("build-killed", package, concurrency=1))
    assert failed["msg"].startswith(f"{package}@1.0 did not build on ")
    assert who in failed["msg"]
    assert f"has {memory()}, for 1 job at once: take a host with more memory." in failed["msg"]
    assert [item["package"] for item in failed["environment"]["failed"]] == [package]


def test_a_build_that_fails_is_not_said_to_be_killed(lab: Lab) -> None:
    message = fail(**lab.arguments("fails", "petal-broken"))["msg"]
    assert "SIGKILL" not in message
    assert "No space" not in message


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system of its own")
def test_no_space_is_left_on_the_volume(lab: Lab) -> None:
    settings = lab.site / "config.yaml"
    before = settings.read_text()
    volume = lab.root / "small"
    volume.mkdir()
    config = json.loads(before)["config"]
    config["install_tree"] = {"root": str(volume / "opt"), "padded_length": 128}
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "petal-test", volume], check=True)
    try:
        settings.write_text(json.dumps({"config": config}))
        message = fail(**lab.arguments("full", "petal-fills"))["msg"]
        freed = shutil.disk_usage(volume).free
    finally:
        settings.write_text(before)
        subprocess.run(["umount", volume], check=True)
    assert message.startswith("petal-fills@1.0 did not build on ")
    found = re.search(
        rf"No space was left on {re.escape(str(volume))} \(packages\): (\S+) (\S+) of 96.0 MiB free", message
    )
    assert found, message
    assert found[2] in ("bytes", "KiB") or float(found[1]) < 24
    # Spack has removed what failed: afterwards nobody could tell.
    assert freed > 10 * 1024**2
    assert "shared_storage[].ebs_settings.size" in message
    assert "grows to it in the next run" in message
    assert "SIGKILL" not in message
