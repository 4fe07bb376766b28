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

import pytest
import spack_at_hand
from modules import fail_module, result_of, run_module, start_module
from node_image import as_user, image

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="another user is made by root"),
    pytest.mark.skipif(not shutil.which("mksquashfs"), reason="mksquashfs (squashfs-tools) makes the image"),
]
#: The package files stay for the next run; nothing is fetched where they are there.
PACKAGES = spack_at_hand.CACHE / "apptainer"


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
        image(volume / "containers/images/image.sqsh")
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
        done = as_user(volume, ["ldd", str(program)])
        libraries = re.findall(r"=> (/\S+)", done.stdout.replace("=> /lib64/ld-linux", "by /lib64/ld-linux"))
        assert libraries and all(path.startswith(f"{volume}/containers/apptainer/") for path in libraries), done.stdout


def test_an_ordinary_user_runs_an_image_on_a_read_only_volume(volume: Path) -> None:
    """With its input, its exit status, arguments with blanks, the working directory, and places that are not in it."""
    run = [f"{volume}/containers/apptainer/bin/apptainer", "--silent", "exec"]
    squashfs = f"{volume}/containers/images/image.sqsh"
    script = 'read line; echo "$line|$1|$2|$(id -u)|$PWD"; exit 7'
    done = as_user(volume, [*run, squashfs, "sh", "-c", script, "x", "a b", "*"], data="from outside\n", cwd="/tmp")
    assert (done.stdout, done.returncode) == ("from outside|a b|*|65534|/tmp\n", 7), done.stderr
    bound = as_user(
        volume, [*run, "--bind", f"{volume}:/data/deep", squashfs, "sh", "-c", "echo /data/deep/containers/*"]
    )
    assert bound.stdout == "/data/deep/containers/apptainer /data/deep/containers/images\n", bound.stderr
    assert as_user(volume, [*run, squashfs, "sh", "-c", "echo x >/bin/new"]).returncode != 0


def test_without_a_device_for_users_it_says_so(volume: Path) -> None:
    """What the node hook looks for before."""
    run = [
        f"{volume}/containers/apptainer/bin/apptainer",
        "exec",
        f"{volume}/containers/images/image.sqsh",
        "sh",
        "-c",
        "",
    ]
    done = as_user(volume, run, fuse="0600")
    assert done.returncode != 0
    assert "/dev/fuse" in done.stderr or "fuse" in done.stderr.lower()
