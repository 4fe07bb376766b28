# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken over of a tree that somebody else has filled; that he can do no more, the integration tests try."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._sandbox import api
from ansible_collections.petal.hpc.plugins.module_utils._sandbox.plan import Account, Place


def run(args: list[str], **_options: Any) -> tuple[int, str, str]:
    done = subprocess.run(args, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def sandbox(uid: int | None = None) -> api.Sandbox:
    """One whose account is who runs this, or another uid."""
    return api.Sandbox(run, Account("petal-build", os.geteuid() if uid is None else uid, os.getegid()))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "tree"
    (path / "lib").mkdir(parents=True)
    (path / "lib").chmod(0o2777)
    (path / "lib/module.py").touch(0o600)
    (path / "tool").touch(0o700)
    (path / "lib64").symlink_to("lib")
    (path / "python").symlink_to("/usr/bin/python3.11")
    (path / "nowhere").symlink_to("lib/later.py")
    return path


def take(path: Path) -> None:
    sandbox().take_over(path, [os.path.realpath("/usr/bin/python3.11")])


def test_what_was_made_is_read_by_all_and_written_by_one(tree: Path) -> None:
    tree.chmod(0o700)
    take(tree)
    modes = {
        path.name: path.stat().st_mode & 0o7777 for path in (tree, tree / "lib", tree / "lib/module.py", tree / "tool")
    }
    assert modes == {"tree": 0o755, "lib": 0o755, "module.py": 0o644, "tool": 0o755}
    assert (tree / "lib64").readlink() == Path("lib")


def test_who_is_let_in_beside_the_mode_is_not_any_more(tree: Path) -> None:
    try:
        os.setxattr(tree / "tool", "user.of-somebody", b"x")
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            pytest.skip("this file system has no attributes")
        raise
    take(tree)
    assert [name for name in os.listxattr(tree / "tool") if name.startswith("user.")] == []


@pytest.mark.parametrize("target", ["/etc/shadow", "../outside", "lib/../../outside", "lib64/up/outside"])
def test_links_lead_nowhere_else(tree: Path, target: str) -> None:
    (tree / "lib/up").symlink_to("../..")
    (tree / "link").symlink_to(target)
    with pytest.raises(PetalError, match=r"is a link to .*, out of what was built"):
        take(tree)


@pytest.mark.parametrize("bits", [0o4755, 0o2755])
def test_nothing_runs_as_its_owner(tree: Path, bits: int) -> None:
    (tree / "tool").chmod(bits)
    with pytest.raises(PetalError, match=r"tree/tool is to run as its owner or group"):
        take(tree)


def test_only_files(tree: Path) -> None:
    os.mkfifo(tree / "lib/pipe")
    with pytest.raises(PetalError, match=r"lib/pipe is neither a file, nor a directory, nor a link"):
        take(tree)


def test_only_what_the_account_has_made(tree: Path) -> None:
    """A second name of a file of root's would be opened to all."""
    with pytest.raises(PetalError, match=r"was not made by petal-build"):
        sandbox(os.geteuid() + 1).take_over(tree, [])


def test_a_tree_as_deep_as_it_can_be_is_refused_and_removed(tmp_path: Path) -> None:
    """Whoever makes it goes down step by step: no path is that long, and Python's own removal goes only so deep."""
    tree = tmp_path / "tree"
    tree.mkdir()
    deep = "import os\nfor _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\n"
    subprocess.run(["python3", "-c", deep], cwd=tree, check=True)
    with pytest.raises(PetalError, match="more than 100 directories in one another"):
        take(tree)
    api.remove(run, tree)
    assert not tree.exists()


def test_a_directory_of_somebody_else_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "cache").symlink_to(tmp_path)
    sandbox().own(tmp_path / "cache")
    assert not (tmp_path / "cache").is_symlink()
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    (tmp_path / "cache/kept").touch()
    sandbox().own(tmp_path / "cache")
    assert (tmp_path / "cache/kept").exists()


def test_a_host_that_makes_no_place() -> None:
    def refuses(args: list[str], **_options: Any) -> tuple[int, str, str]:
        return (1, "", "unshare: unshare failed: Operation not permitted\n") if "unshare" in args else (0, "", "")

    subject = api.Sandbox(refuses, Account("petal-build", 990, 990))
    with pytest.raises(PetalError, match=r"makes no place for that: unshare: .*not permitted\. A container has to be"):
        subject.call(["true"], Place("/"))


def test_who_may_pass(tmp_path: Path) -> None:
    path = tmp_path / "a/b"
    path.mkdir(parents=True)
    (tmp_path / "a").chmod(0o750)
    found = api.closed_to_others(path)
    assert found is not None
    assert found.stat().st_mode & 0o001 == 0
    assert found in (path, *path.parents)
    assert api.closed_to_others(Path("/usr/bin")) is None


def test_accounts() -> None:
    with pytest.raises(PetalError, match="which are root's"):
        api.find_account("root")
    assert api.find_account("petal-nobody-else") is None
    with pytest.raises(PetalError, match=r"useradd --system .* petal-nobody-else"):
        api.account("petal-nobody-else")
