# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From package files to an installation and back again; the programs in them are shell scripts."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import debs
import pytest
from modules import fail_module, run_module, start_module

MACHINE = debs.machine()


@pytest.fixture(name="packages")
def a_directory(tmp_path: Path) -> Path:
    return debs.all_of_apptainer(tmp_path / "packages")


@pytest.fixture(name="prefix")
def a_place(tmp_path: Path) -> Path:
    return tmp_path / "volume" / "containers" / "apptainer"


@pytest.fixture(name="install")
def installing(tmp_path: Path, packages: Path, prefix: Path) -> Callable[..., dict[str, Any]]:
    def install(check: bool = False, **options: Any) -> dict[str, Any]:
        given = {"path": prefix, "directory": packages, "cache_dir": tmp_path / "cache", **options}
        return run_module("apptainer", check, **given)

    return install


def digest(directory: Path) -> str:
    """Of names, modes, times and contents."""
    lines = []
    for path in sorted((directory, *directory.rglob("*"))):
        seen = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        lines.append(f"{path} {seen.st_mode:o} {seen.st_mtime} {hashlib.sha256(content).hexdigest()}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_it_is_installed_once_and_the_same_packages_give_the_same_files(
    install: Callable[..., dict[str, Any]], prefix: Path
) -> None:
    planned = install(check=True)
    assert (planned["changed"], planned["reason"], prefix.exists()) == (True, "it is not there", False)
    first = install()
    assert (first["changed"], first["version"], first["path"]) == (True, "1.0", f"{prefix}/bin/apptainer")
    assert first["packages"] == planned["packages"]
    before = digest(prefix)
    again = install()
    assert (again["changed"], again["reason"], again["packages"]) == (False, "", first["packages"])
    (prefix / "petal.json").unlink()
    assert install()["changed"]
    assert digest(prefix) == before
    assert [path.name for path in prefix.parent.iterdir()] == ["apptainer"]


def test_programs_are_told_their_loader_and_nobody_is_made_another(
    install: Callable[..., dict[str, Any]], prefix: Path
) -> None:
    packages = {entry["name"]: entry for entry in install()["packages"]}
    libraries = prefix / MACHINE.libraries
    for program in MACHINE.relocated:
        text = (prefix / program).read_text()
        assert f"--set-interpreter {libraries}/{MACHINE.loader} --force-rpath --set-rpath {libraries} /new/" in text
    assert not [path for path in prefix.rglob("*") if path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID | 0o022)]
    # What was needed on the way only.
    assert not {"patchelf", "libstdc++6"} & set(packages)
    assert not list(prefix.rglob("*libstdc++*")) + list(prefix.rglob("*patchelf*"))
    assert packages["apptainer"]["prefix"] == str(prefix)
    assert {entry["manager"] for entry in packages.values()} == {"deb"}
    assert (prefix / "etc/apptainer/apptainer.conf").read_text().count("setuid = no") == 1
    assert (prefix / "lib/etc/apptainer/nvliblist.conf").is_file()
    assert (prefix / "lib/var/lib/apptainer/mnt/session").is_dir()
    assert (prefix / "share/doc/libc6/copyright").read_text() == "of libc6\n"


@pytest.mark.parametrize("harm", ["changed", "missing", "more", "link"])
def test_what_was_changed_by_hand_is_made_anew(harm: str, install: Callable[..., dict[str, Any]], prefix: Path) -> None:
    install()
    if harm == "changed":
        (prefix / "bin/apptainer").write_text("#!/bin/sh\nexit 1\n")
    elif harm == "missing":
        (prefix / "etc/apptainer/nvliblist.conf").unlink()
    elif harm == "more":
        (prefix / "bin/evil").touch()
    else:
        (prefix / "lib/etc").unlink()
        (prefix / "lib/etc").symlink_to("/etc")
    assert install(check=True)["reason"] == "its files are not those that were installed"
    assert install()["changed"]
    assert not install()["changed"]
    assert not (prefix / "bin/evil").exists()


def test_other_packages_in_the_directory_replace_it(
    install: Callable[..., dict[str, Any]], packages: Path, prefix: Path
) -> None:
    install()
    (packages / f"apptainer_1.0_{MACHINE.deb}.deb").unlink()
    new = debs.deb("apptainer", "2.0", MACHINE.deb, debs.files_of("apptainer", MACHINE))
    (packages / f"apptainer_2.0_{MACHINE.deb}.deb").write_bytes(new)
    done = install(versions={"apptainer": "2.0"})
    assert (done["reason"], done["version"]) == ("another version of apptainer is asked for", "2.0")
    assert json.loads((prefix / "petal.json").read_text())["packages"][0]["version"] == "2.0"
    assert not install()["changed"]
    assert install(sha256=[entry["hash"] for entry in _all(packages)])["changed"] is False


def _all(packages: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run_module("apptainer", state="fetched", directory=packages)["packages"]
    return found


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"usr/bin/apptainer": "#!/bin/sh\nexit 3\n"}, "trying Apptainer: .* ended with status 3"),
        ({"list": "\tlibnew.so.1 => /lib/libnew.so.1 (0x1)\n"}, r"own libraries: libnew\.so\.1 .*do not fit together"),
    ],
)
def test_one_that_does_not_run_is_none_and_what_was_there_stays(
    files: dict[str, str],
    says: str,
    install: Callable[..., dict[str, Any]],
    packages: Path,
    prefix: Path,
    tmp_path: Path,
) -> None:
    install()
    before = digest(prefix)
    name = "apptainer" if "list" not in files else "libc6"
    content = debs.files_of(name, MACHINE)
    if name == "libc6":
        loader = f"usr/{MACHINE.libraries}/{MACHINE.loader}"
        listing = files["list"].replace("\n", "\\n").replace("\t", "\\t")
        content[loader] = debs.LOADER.replace('[ ! -e "${0%/*}/list" ] || cat "${0%/*}/list"', f"printf '{listing}'")
    else:
        content |= files
    (packages / f"{name}_1.0_{MACHINE.deb}.deb").write_bytes(debs.deb(name, "1.0", MACHINE.deb, content))
    message = fail_module("apptainer", path=prefix, directory=packages, cache_dir=tmp_path / "cache")
    assert re.search(says, message), message
    assert digest(prefix) == before
    assert [path.name for path in prefix.parent.iterdir()] == ["apptainer"]


def test_one_that_was_killed_anywhere_is_made_whole_by_the_next(
    install: Callable[..., dict[str, Any]], packages: Path, prefix: Path, tmp_path: Path
) -> None:
    install()
    before = digest(prefix)
    started = time.monotonic()
    (prefix / "petal.json").unlink()
    install()
    takes = time.monotonic() - started
    for part in range(1, 9):
        (prefix / "petal.json").unlink(missing_ok=True)
        process = start_module("apptainer", path=prefix, directory=packages, cache_dir=tmp_path / "cache")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=takes * part / 8)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        install()
        assert digest(prefix) == before
        assert [path.name for path in prefix.parent.iterdir()] == ["apptainer"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"path": "/a b"}, "path '/a b' is not allowed"),
        ({"path": "relative"}, "is not allowed"),
        ({"directory": "/nowhere"}, "directory /nowhere is not there"),
        ({"versions": {"libc6": "2.0"}}, "libc6 is there as 1.0, and 2.0 was asked for"),
        ({"versions": {"bash": "2.0"}}, "'bash' is none of the packages"),
        ({"sha256": ["0" * 64]}, "none of those that are allowed"),
        ({"sha256": ["zero"]}, "expected 64 hexadecimal digits"),
        ({"suite": "a b"}, "is no suite of Debian's"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_bad_input_is_one_error_and_nothing_is_made(
    check: bool, options: dict[str, Any], says: str, packages: Path, prefix: Path, tmp_path: Path
) -> None:
    given = {"path": prefix, "directory": packages, "cache_dir": tmp_path / "cache", **options}
    assert says in fail_module("apptainer", check, **given)
    assert not prefix.parent.exists()


def test_a_place_or_a_directory_has_to_be_named() -> None:
    assert "path" in fail_module("apptainer")
    assert "directory" in fail_module("apptainer", state="fetched", path="/x")


def test_a_directory_is_filled_by_apt_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """apt-get is a stand-in, which has the packages of an archive; whatever else is in the directory stays."""
    archive = debs.all_of_apptainer(tmp_path / "archive", apptainer="2.0")
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    uses = "Debian|Debian|http://mirror.example/debian/"
    program.write_text(
        f'#!/bin/sh\ncase " $* " in *" download "*) cp {archive}/*.deb . ;; *" indextargets "*) echo "{uses}" ;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    (tmp_path / "keys.gpg").touch()
    directory = debs.all_of_apptainer(tmp_path / "mirror")
    (directory / "bash_1_all.deb").write_bytes(debs.deb("bash", "1", "all", {}))
    given: dict[str, Any] = {"directory": directory, "keyring": tmp_path / "keys.gpg", "cache_dir": tmp_path / "cache"}
    (directory / ".tmp-libc6_2.0_all.deb").write_text("half of it")
    assert not run_module("apptainer", state="fetched", **given)["changed"]
    given["versions"] = {"apptainer": "2.0"}
    planned = run_module("apptainer", True, state="fetched", **given)
    assert (planned["changed"], planned["packages"]) == (True, [])
    done = run_module("apptainer", state="fetched", **given)
    assert (done["changed"], done["version"]) == (True, "2.0")
    assert not run_module("apptainer", state="fetched", **given)["changed"]
    names = {path.name for path in directory.iterdir()}
    assert {f"apptainer_2.0_{MACHINE.deb}.deb", "bash_1_all.deb"} <= names
    assert not [name for name in names if name.startswith(".tmp-")]
    assert f"apptainer_1.0_{MACHINE.deb}.deb" not in names
    assert list((tmp_path / "cache").iterdir()) == []
    (directory / "broken.deb").write_text("of somebody else")
    assert f"{directory}/broken.deb: it does not begin as" in fail_module("apptainer", state="fetched", **given)
