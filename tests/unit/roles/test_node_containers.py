"""What the node hook sees of containers without running any: in images, and with stand-ins for what runs them.

tests/integration/test_apptainer.py has the real Apptainer, on nodes that lack something.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_hook import HOOK, render

BOTH = ("installing apptainer", "installing singularity-container")
LIMIT = "user.max_user_namespaces"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the hook wants root")


@pytest.fixture(name="volume")
def a_volume() -> Iterator[Path]:
    """With an image; everybody comes there."""
    with tempfile.TemporaryDirectory() as directory:
        volume = Path(directory)
        volume.chmod(0o755)
        image = volume / "containers" / "images" / "sha256" / f"{'0' * 64}.sqsh"
        image.parent.mkdir(parents=True)
        image.touch()
        yield volume


def program(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def said(volume: Path, root: Path, *arguments: str) -> list[str]:
    """What the hook says of containers in an image below a directory."""
    script = render(
        HOOK, software_volume_mount_dir=str(volume), software_volume_lmod_init={"sh": f"{volume}/x/init/sh"}
    )
    command = ["sh", "-s", "--", *arguments, "--root", str(root)]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    found = [line.removeprefix("petal-node-setup: ") for line in done.stderr.splitlines()]
    assert (done.returncode == 1) == bool(found), done.stderr
    return found


def test_an_image_without_apptainer_is_told_so_unless_the_volume_brings_it(volume: Path, tmp_path: Path) -> None:
    (lacks,) = said(volume, tmp_path)
    assert lacks.startswith(f"containers at {volume} do not run on this node, which lacks Apptainer.")
    assert said(volume, tmp_path, "--remove") == []
    program(tmp_path / "usr/bin/singularity")
    assert said(volume, tmp_path) == []
    (tmp_path / "usr/bin/singularity").unlink()
    program(volume / "containers/apptainer/bin/apptainer")
    assert said(volume, tmp_path) == []


def test_a_volume_without_containers_asks_for_nothing(volume: Path, tmp_path: Path) -> None:
    for image in (volume / "containers/images/sha256").iterdir():
        image.unlink()
    assert said(volume, tmp_path) == []


@pytest.mark.parametrize(
    ("files", "setting"),
    [
        ({"etc/sysctl.d/90-cis.conf": "# x\nuser.max_user_namespaces = 0\n"}, "user.max_user_namespaces = 15000"),
        ({"etc/sysctl.conf": "user/max_user_namespaces=0"}, "user.max_user_namespaces = 15000"),
        ({"usr/lib/sysctl.d/1.conf": "kernel.unprivileged_userns_clone=0"}, "kernel.unprivileged_userns_clone = 1"),
        ({"etc/sysctl.d/1.conf": "kernel.apparmor_restrict_unprivileged_userns = 1"},
         "kernel.apparmor_restrict_unprivileged_userns = 0"),
        ({"usr/lib/sysctl.d/1.conf": f"{LIMIT}=0", "etc/sysctl.d/1.conf": f"{LIMIT}=9"}, ""),
        ({"etc/sysctl.d/1.conf": "# user.max_user_namespaces=0\nkernel.apparmor_restrict_unprivileged_userns=0"}, ""),
    ],
)  # fmt: skip
def test_an_image_that_forbids_user_namespaces_is_told_which_setting_does(
    files: dict[str, str], setting: str, volume: Path, tmp_path: Path
) -> None:
    program(tmp_path / "usr/bin/apptainer")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = said(volume, tmp_path)
    assert len(found) == bool(setting)
    if setting:
        assert f"Put {setting} into a file below /etc/sysctl.d, and run sysctl --system." in found[0]
        assert ("A profile of AppArmor" in found[0]) == ("apparmor" in setting)


def functions(*names: str) -> str:
    """Functions of the hook, as text."""
    script = render(HOOK)
    return "\n".join(script[script.index(f"{name}() {{") :].partition("\n}\n")[0] + "\n}" for name in names)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("exit 0", 0),
        # An image of one program has no shell.
        ("echo 'FATAL: \"sh\": executable file not found in $PATH' >&2; exit 255", 0),
        ("echo 'FATAL: container creation failed' >&2; exit 255", 1),
    ],
)
def test_what_runs_images_runs_as_nobody_and_that_of_the_volume_without_a_way_back(
    text: str, status: int, volume: Path
) -> None:
    for own in (True, False):
        note = 'echo "$(id -u) $(sed -n s/NoNewPrivs:.//p /proc/self/status) ${SECRET-none}"'
        place = volume / ("volume" if own else "node") / "apptainer"
        runner = program(place, f'[ "$4" = /image ] || exit 9\n{note}\n{text}')
        script = f"volume={volume}/volume\nrunner={runner}\n{functions('nobody', 'enters')}\n"
        script += 'if enters /image; then s=0; else s=1; fi; echo "$words"; exit $s'
        environment = {"PATH": os.environ["PATH"], "SECRET": "of root"}
        done = subprocess.run(["sh", "-euc", script], env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (status, "")
        assert done.stdout.splitlines()[0] == f"65534 {int(own)} none"


def test_on_a_node_its_own_apptainer_is_wherever_commands_are_looked_for(volume: Path) -> None:
    place = program(volume / "opt/bin/apptainer")
    script = f"volume={volume}\nroot=\n{functions('runner')}\nrunner"
    environment = {"PATH": f"{place.parent}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-euc", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{place}\n"
    own = program(volume / "containers/apptainer/bin/apptainer")
    done = subprocess.run(["sh", "-euc", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{own}\n"


@pytest.mark.parametrize(
    ("has", "said"),
    [
        ("apptainer", ["installing apptainer", "runs by apptainer"]),
        ("singularity-container", [*BOTH, "runs by singularity-container"]),
        ("nothing", [*BOTH, "which lacks Apptainer. Its package sources"]),
    ],
)
def test_what_the_package_sources_have_is_installed(has: str, said: list[str], tmp_path: Path) -> None:
    around = f"""set -eu
volume=/shared root='' install=yes
runner() {{ cat {tmp_path}/installed 2>/dev/null || :; }}
packages() {{ echo "installing $1"; [ "$1" = {has} ] && echo "$1" >{tmp_path}/installed; }}
enters() {{ echo "runs by $runner"; }}
problem() {{ echo "$*"; }}
"""
    script = around + functions("containers") + "\ncontainers /image\n"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert all(part in line for part, line in zip(said, done.stdout.splitlines(), strict=True)), done.stdout
