# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The real Apptainer, from Debian's archive, on a read-only volume; an ordinary user runs images with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spack_at_hand
from debs import machine
from image_registry import tools
from modules import fail_module, result_of, run_module, start_module
from node_hook import HOOK, render
from node_image import Node, image

from ansible_collections.petal.hpc.plugins.module_utils._apptainer import deb_api
from ansible_collections.petal.hpc.plugins.module_utils._apptainer.model import MACHINES
from ansible_collections.petal.hpc.plugins.module_utils._apptainer.model import PACKAGES as PACKAGES_OF_DEBIAN

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="another user is made by root"),
    pytest.mark.skipif(not shutil.which("apt-get"), reason="mksquashfs, which makes the image, comes by apt"),
]
#: The package files stay for the next run; nothing is fetched where they are there.
PACKAGES = spack_at_hand.CACHE / "apptainer"
IMAGE = f"containers/images/sha256/{'0' * 64}.sqsh"


@pytest.fixture(name="packages", scope="module")
def package_files() -> Path:
    done = result_of(start_module("apptainer", state="fetched", directory=PACKAGES), timeout=300)
    if done.get("failed"):
        pytest.skip(f"no archive of Debian's can be reached: {done['msg'][:300]}")
    return PACKAGES


@pytest.fixture(name="volume", scope="module")
def a_volume(packages: Path) -> Iterator[Path]:
    """A directory to which everybody comes, with Apptainer and an image."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        volume = Path(directory, "volume")
        run_module("apptainer", path=volume / "containers/apptainer", directory=packages)
        tools()
        image(volume / IMAGE)
        yield volume


def test_it_comes_from_the_archive_and_from_a_directory_alike(packages: Path, tmp_path: Path) -> None:
    """To the byte, where the archive still has the versions that are in the directory."""
    place, first = tmp_path / "apptainer", tmp_path / "first"
    cache = tmp_path / "cache"
    by_apt = run_module("apptainer", path=place, cache_dir=cache)
    assert list(cache.iterdir()) == []
    assert not run_module("apptainer", path=place, cache_dir=cache)["changed"]
    place.rename(first)
    by_files = run_module("apptainer", path=place, directory=packages)
    assert by_files["version"]
    if by_files["packages"] != by_apt["packages"]:
        pytest.skip("the archive has moved on since the package files were fetched")
    compare = ["diff", "--recursive", "--no-dereference", "--exclude=petal.json", str(first), str(place)]
    assert subprocess.run(compare, check=False).returncode == 0
    times = [{p.relative_to(top): p.lstat().st_mtime for p in top.rglob("*")} for top in (first, place)]
    assert times[0] == times[1]


def test_a_version_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    message = fail_module("apptainer", path=tmp_path / "a", cache_dir=tmp_path / "c", versions={"apptainer": "0.0.1-1"})
    assert "apptainer" in message and "0.0.1-1" in message
    assert not (tmp_path / "a").exists()


def test_an_archive_that_nobody_signed_for_is_refused(tmp_path: Path) -> None:
    """Keys of somebody else."""
    keys = sorted(Path("/usr/share/keyrings").glob("debian-archive-removed-keys.*"))
    if not keys:
        pytest.skip("there are no other keys here")
    message = fail_module("apptainer", path=tmp_path / "a", cache_dir=tmp_path / "c", keyring=keys[0])
    assert re.search(r"apt-get update failed: .*(NO_PUBKEY|not signed|verif)", message), message
    assert not (tmp_path / "a").exists()


def test_nothing_of_it_is_the_hosts_and_nobody_becomes_root_by_it(volume: Path) -> None:
    modes = [path.lstat().st_mode for path in (volume / "containers").rglob("*")]
    assert not [mode for mode in modes if mode & 0o6000]
    installed = volume / "containers/apptainer"
    for program in (installed / "bin/apptainer", *installed.glob("lib/*/apptainer/bin/*")):
        done = Node(volume).as_user(["ldd", str(program)])
        libraries = re.findall(r"=> (/\S+)", done.stdout.replace("=> /lib64/ld-linux", "by /lib64/ld-linux"))
        assert libraries and all(path.startswith(f"{volume}/containers/apptainer/") for path in libraries), done.stdout


def test_an_ordinary_user_runs_an_image_on_a_read_only_volume(volume: Path) -> None:
    """With its input, its exit status, arguments with blanks, the working directory, and places that are not in it."""
    run = [f"{volume}/containers/apptainer/bin/apptainer", "--silent", "exec"]
    squashfs = str(volume / IMAGE)
    script = 'read line; echo "$line|$1|$2|$(id -u)|$PWD"; exit 7'
    done = Node(volume).as_user(
        [*run, squashfs, "sh", "-c", script, "x", "a b", "*"], data="from outside\n", cwd="/tmp"
    )
    assert (done.stdout, done.returncode) == ("from outside|a b|*|65534|/tmp\n", 7), done.stderr
    show = [squashfs, "sh", "-c", "echo /data/deep/containers/*"]
    bound = Node(volume).as_user([*run, "--bind", f"{volume}:/data/deep", *show])
    assert bound.stdout == "/data/deep/containers/apptainer /data/deep/containers/images\n", bound.stderr
    assert Node(volume).as_user([*run, squashfs, "sh", "-c", "echo x >/bin/new"]).returncode != 0


def test_libraries_of_the_users_own_do_not_come_between(volume: Path) -> None:
    """LD_LIBRARY_PATH is full of them where modules are loaded."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        for library in (volume / "containers/apptainer").glob("lib/*/*.so.*"):
            Path(directory, library.name).write_text("no library\n")
        command = [f"{volume}/containers/apptainer/bin/apptainer", "--silent", "exec", str(volume / IMAGE), "id", "-u"]
        path = f"LD_LIBRARY_PATH={directory}"
        # env and its like belong to the system, and would be taken in by it.
        done = Node(volume).as_user(["sh", "-c", f"export {path}; exec {' '.join(command)}"])
    assert (done.stdout, done.stderr) == ("65534\n", "")


def test_it_runs_where_there_is_no_c_library_at_all(volume: Path) -> None:
    """A system that is one static program."""
    busybox = shutil.which("busybox")
    if busybox is None or "statically linked" not in _kind(busybox):
        pytest.skip("there is no static busybox (busybox-static)")
    installed = volume / "containers/apptainer"
    script = f"""set -e
    root=$(mktemp -d); mount -t tmpfs -o mode=755 tmpfs $root
    mkdir -p $root/bin $root/dev $root/etc $root/proc $root/sys $root/tmp $root/var/tmp $root/old $root{volume}
    cp {busybox} $root/bin/busybox; ln -s busybox $root/bin/sh
    printf 'root:x:0:0:::/bin/sh\\nnobody:x:65534:65534::/tmp:/bin/sh\\n' >$root/etc/passwd
    printf 'root:x:0:\\nnogroup:x:65534:\\n' >$root/etc/group; touch $root/etc/hosts $root/etc/resolv.conf
    mount --bind {volume} $root{volume}; mount -t proc proc $root/proc
    mount --rbind /dev $root/dev; mount --rbind /sys $root/sys
    cd $root; pivot_root . old; /bin/busybox umount -l /old; cd /
    /bin/busybox ls /
    /bin/busybox su nobody -s /bin/sh -c '{installed}/bin/apptainer --silent exec {volume}/{IMAGE} id -u'
    """
    done = Node(volume).run(["unshare", "--mount", "sh", "-c", script])
    assert done.returncode == 0, done.stderr
    *system, user = done.stdout.split()
    assert user == "65534"
    assert not [name for name in system if name.startswith(("lib", "usr"))]


def _kind(program: str) -> str:
    return subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stderr.replace(
        "not a dynamic executable", "statically linked"
    )


def test_packages_of_the_other_architecture_are_laid_out_alike(tmp_path: Path) -> None:
    """As far as a host can tell that does not run them."""
    other = "arm64" if machine() == MACHINES["x86_64"] else "x86_64"
    done = result_of(start_module("apptainer", state="fetched", directory=tmp_path, architecture=other), timeout=300)
    if done.get("failed"):
        pytest.skip(f"no archive of Debian's can be reached: {done['msg'][:300]}")
    foreign = MACHINES["aarch64" if other == "arm64" else other]
    for file in tmp_path.glob("*.deb"):
        deb = deb_api.read(file)
        assert deb.architecture == foreign.deb
        deb_api.unpack(file, PACKAGES_OF_DEBIAN[deb.name], foreign, tmp_path / "new")
    for program in (*foreign.relocated, f"{foreign.libraries}/{foreign.loader}"):
        assert (tmp_path / "new" / program).read_bytes()[:4] == b"\x7fELF"
    assert "by a host of the same architecture" in fail_module("apptainer", path="/x/y", architecture=other)


def test_without_a_device_for_users_it_says_so(volume: Path) -> None:
    """What the node hook looks for before."""
    run = [
        f"{volume}/containers/apptainer/bin/apptainer",
        "exec",
        str(volume / IMAGE),
        "sh",
        "-c",
        "",
    ]
    done = Node(volume, fuse="0600").as_user(run)
    assert done.returncode != 0
    assert "/dev/fuse" in done.stderr or "fuse" in done.stderr.lower()


def hook(node: Node, *arguments: str) -> tuple[int, list[str]]:
    """Run the node hook of this release there; what it says of containers."""
    script = render(HOOK, software_volume_mount_dir=str(node.volume))
    done = node.run(["sh", "-s", "--", *arguments], data=script)
    said = [line.removeprefix("petal-node-setup: ") for line in done.stderr.splitlines()]
    return done.returncode, [line for line in said if "container" in line]


def test_the_hook_says_nothing_of_a_node_that_runs_containers(volume: Path) -> None:
    assert hook(Node(volume))[1] == []


@pytest.mark.parametrize(
    ("lacks", "says"),
    [
        ({"namespaces": False}, "its users may have no user namespaces: user.max_user_namespaces is 0. Put "
         "user.max_user_namespaces = 15000 into a file below /etc/sysctl.d, and run sysctl --system."),
        ({"fuse": "0600"}, "users may not open /dev/fuse, which has the mode 600. Make it 666, for good by the rule "
         'KERNEL=="fuse", MODE="0666" below /etc/udev/rules.d.'),
        ({"fuse": "none"}, "there is no /dev/fuse. Load the kernel module fuse: modprobe fuse, and name it below "
         "/etc/modules-load.d."),
    ],
)  # fmt: skip
def test_the_hook_says_what_keeps_users_of_a_node_from_containers(
    lacks: dict[str, Any], says: str, volume: Path
) -> None:
    status, said = hook(Node(volume, **lacks))
    assert said == [f"containers at {volume} do not run on this node: {says}"]
    assert status == 1


def broken(directory: Path, apptainer: Path | None) -> Path:
    """A volume with an image that is none."""
    volume = directory / "volume"
    (volume / IMAGE).parent.mkdir(parents=True)
    (volume / IMAGE).write_bytes(b"hsqs" + b"\0" * 4096)
    if apptainer:
        (volume / "containers/apptainer").symlink_to(apptainer)
    directory.chmod(0o755)
    return volume


def test_the_hook_says_that_there_is_no_apptainer_and_who_has_one() -> None:
    if shutil.which("apptainer") or shutil.which("singularity"):
        pytest.skip("this machine has one")
    with tempfile.TemporaryDirectory() as directory:
        place = broken(Path(directory), None)
        status, said = hook(Node(place))
    assert status == 1
    assert said == [
        f"containers at {place} do not run on this node, which lacks Apptainer. With --install it is fetched from its "
        "package sources, where these have it, as EPEL does for Red Hat and its like. Otherwise build the volume with "
        "containers_runtime: volume, which brings it along."
    ]


def test_the_hook_says_what_apptainer_says_where_nothing_else_is_wrong(volume: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        place = broken(Path(directory), volume / "containers/apptainer")
        status, said = hook(Node(place))
    assert status == 1
    assert len(said) == 1
    assert said[0].startswith(
        f"containers at {place} do not run on this node: {place}/containers/apptainer/bin/apptainer says: "
    )
