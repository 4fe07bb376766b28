"""petal-spack-user-setup: a clean script, which takes no directory that is not its own and runs no value."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from node_hook import render

SHELLCHECK = Path(sys.executable).with_name("shellcheck")
TEMPLATE = "software_volume/templates/petal-spack-user-setup.j2"
#: What would run if it reached a shell: it makes the file that EVIL names.
EVIL = "x'; touch EVIL; $(touch EVIL) `touch EVIL` \"\\ & | * #"


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A volume with a checkout of a Spack that does nothing, and packages in padded prefixes."""
    path = tmp_path / "a volume"
    spack = path / "spack"
    for name in ("bin/spack", "share/spack/setup-env.sh", "etc/spack/defaults/config.yaml"):
        (spack / name).parent.mkdir(parents=True, exist_ok=True)
        (spack / name).write_text(f"#!/bin/sh\n# {name}\n")
    (spack / "bin" / "spack").chmod(0o755)
    commit(spack, "first")
    database = spack / "opt" / "__spack_path_placeholder__" / "__spack_path_pla" / ".spack-db"
    database.mkdir(parents=True)
    (database / "index.json").write_text("{}")
    return path


def commit(directory: Path, message: str) -> None:
    """A commit of all that there is, in a repository that is made where there is none."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for arguments in (["init", "--quiet"], ["add", "bin", "share", "etc"], ["commit", "--quiet", "--message", message]):
        subprocess.run(["git", "-C", str(directory), *identity, *arguments], check=True)


def setup(volume: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the script with a home beside the volume."""
    home = volume.parent / "home"
    home.mkdir(exist_ok=True)
    script = render(TEMPLATE, software_volume_mount_dir=str(volume))
    return subprocess.run(
        ["sh", "-s", "--", *map(str, arguments)],
        input=script,
        cwd=home,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "GIT_DIR": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_shellcheck_finds_nothing() -> None:
    command = [str(SHELLCHECK), "--shell=sh", "-"]
    done = subprocess.run(command, input=render(TEMPLATE), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_value_is_run(tmp_path: Path) -> None:
    made = tmp_path / "home" / "made"
    done = setup(tmp_path / EVIL.replace("EVIL", "made"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no Spack at " in done.stderr
    assert not made.exists()


def test_a_spack_that_builds_on_the_volume(volume: Path) -> None:
    done = setup(volume)
    assert (done.returncode, done.stderr) == (0, "")
    own = volume.parent / "home" / "spack"
    assert f". {own}/activate.sh" in done.stdout
    assert (own / "bin" / "spack").is_file()
    site = {path.name: yaml.safe_load(path.read_text()) for path in (own / "etc/spack/site").glob("*.yaml")}
    store = f"{volume}/spack/opt/__spack_path_placeholder__/__spack_path_pla"
    assert site["upstreams.yaml"] == {"upstreams": {"petal": {"install_tree": store}}}
    assert site["include.yaml"] == {"include": [{"path": f"{volume}/spack/etc/spack/site"}]}
    assert site["config.yaml"]["config"]["install_tree:"]["root"] == "$spack/opt"
    assert site["config.yaml"]["config"]["locks"] is True
    assert site["modules.yaml"] == {"modules": {"default": {"enable:": []}}}
    sourced = ["sh", "-euc", f". {own}/activate.sh; echo $SPACK_ROOT; echo $SPACK_PYTHON"]
    shown = subprocess.run(sourced, capture_output=True, text=True, check=True).stdout.splitlines()
    assert shown == [str(own), f"{volume}/spack/var/petal/python/bin/python3"]


def test_it_may_be_run_again_and_follows_the_volume(volume: Path) -> None:
    setup(volume, "mine")
    own = volume.parent / "home" / "mine"
    (own / "opt").mkdir()
    (own / "opt" / "built").touch()
    before = {path: path.read_text() for path in (own / "etc").rglob("*") if path.is_file()}
    assert setup(volume, own).returncode == 0
    assert {path: path.read_text() for path in (own / "etc").rglob("*") if path.is_file()} == before
    (volume / "spack" / "bin" / "spack").write_text("#!/bin/sh\n# newer\n")
    commit(volume / "spack", "second")
    # A volume without padding is another way to its packages.
    shutil.move(
        volume / "spack" / "opt" / "__spack_path_placeholder__/__spack_path_pla/.spack-db", volume / "spack/opt"
    )
    assert setup(volume, "mine/").returncode == 0
    assert (own / "bin" / "spack").read_text() == "#!/bin/sh\n# newer\n"
    assert f"install_tree: '{volume}/spack/opt'\n" in (own / "etc/spack/site/upstreams.yaml").read_text()
    assert (own / "opt" / "built").exists()


def test_one_that_was_interrupted_goes_on(volume: Path) -> None:
    own = volume.parent / "home" / "spack"
    (own / "etc" / "spack").mkdir(parents=True)
    (own / "etc" / "spack" / "petal-volume").write_text(f"{volume}\n")
    (own / ".git").mkdir()
    assert setup(volume).returncode == 0
    assert (own / "bin" / "spack").is_file()


def test_what_is_not_its_own_is_left_as_it_is(volume: Path) -> None:
    home = volume.parent / "home"
    (home / "full").mkdir(parents=True)
    (home / "full" / "mine").touch()
    (home / "file").touch()
    (home / "link").symlink_to(home / "nowhere")
    for name in ("full", "file", "link"):
        done = setup(volume, name)
        assert done.returncode == 1
        assert f"{home}/{name} is there, and this command has not made it, so nothing was changed." in done.stderr
    assert sorted(path.name for path in home.rglob("*")) == ["file", "full", "link", "mine"]
    (home / "empty").mkdir()
    assert setup(volume, "empty").returncode == 0


def test_one_of_another_volume_is_left_as_it_is(volume: Path) -> None:
    setup(volume)
    other = volume.with_name("other")
    shutil.copytree(volume, other, symlinks=True)
    done = setup(other)
    assert done.returncode == 1
    assert f"spack builds on {volume}, not on {other}. Name another directory." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--help"], 2, "usage: petal-spack-user-setup [DIRECTORY]"),
        (["a", "b"], 2, "usage: petal-spack-user-setup [DIRECTORY]"),
        ([""], 2, "usage: petal-spack-user-setup [DIRECTORY]"),
        (["a b"], 1, "breaks with spaces and the like in it"),
        (["it's"], 1, "breaks with spaces and the like in it"),
    ],
)
def test_what_is_no_directory_is_said(volume: Path, arguments: list[str], status: int, said: str) -> None:
    done = setup(volume, *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr


def test_a_spack_that_does_not_run_is_said(volume: Path) -> None:
    (volume / "spack" / "bin" / "spack").write_text("#!/bin/sh\necho $SPACK_PYTHON $1: wrong >&2\nexit 1\n")
    commit(volume / "spack", "broken")
    done = setup(volume)
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()
    assert first == f"{volume}/spack/var/petal/python/bin/python3 python: wrong"
    assert "home/spack does not run. If it is your own settings in ~/.spack, correct them" in second


def test_a_volume_without_packages_is_said(volume: Path) -> None:
    shutil.rmtree(volume / "spack" / "opt")
    done = setup(volume)
    assert done.returncode == 1
    assert "has no packages of Spack to build on" in done.stderr
    assert not (volume.parent / "home" / "spack").exists()
