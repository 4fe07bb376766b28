"""Software of strangers, run for real: sources and a wheel that try what they can as an environment is built."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import pwd
import shutil
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from modules import result_of, run_module, start_module
from playing import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="what root builds for others needs root")

#: Who builds here: a user whom every system has.
NOBODY = "nobody"
#: Runs whenever its project is built, and in the name of nothing but the standard library makes a wheel of it.
BACKEND = """
import base64, glob, hashlib, json, os, subprocess, sys, zipfile

OPEN = {open!r}
OUTSIDE = {outside!r}


def attempt(path):
    try:
        with open(path, "w") as stream:
            stream.write("hostile")
        return True
    except OSError:
        return False


def report():
    status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
        terminal = True
    except OSError:
        terminal = False
    for path in glob.glob(os.environ["UV_CACHE_DIR"] + "/**/victim.py", recursive=True):
        attempt(path)
    # Far into the background: a session of its own, no parent, nothing open.
    code = "import os, time; os.setsid(); os.fork() and os._exit(0); time.sleep(3600)"
    subprocess.Popen([sys.executable, "-c", code, "petal-left-behind"], stdin=-3, stdout=-3, stderr=-3)
    return {{
        "uid": [os.getuid(), os.geteuid()],
        "gid": [os.getgid(), os.getegid()],
        "groups": os.getgroups(),
        "capabilities": [int(status[name].strip(), 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")],
        "no_new_privs": status["NoNewPrivs"].strip(),
        "terminal": terminal,
        "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
        "written": [path for path in OUTSIDE if attempt(path)],
        "secret": os.environ.get("PETAL_SECRET"),
    }}


def build_wheel(directory, config_settings=None, metadata_directory=None):
    with open(os.path.join(OPEN, "built-by-%d" % os.getuid()), "w"):
        pass
    files = {{
        "hostile.py": "REPORT = " + repr(report()),
        "hostile-1.0.dist-info/METADATA": "Metadata-Version: 2.1\\nName: hostile\\nVersion: 1.0\\n",
        "hostile-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }}
    record = ""
    with zipfile.ZipFile(os.path.join(directory, "hostile-1.0-py3-none-any.whl"), "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record += "%s,sha256=%s,%d\\n" % (name, digest, len(text))
        wheel.writestr("hostile-1.0.dist-info/RECORD", record + "hostile-1.0.dist-info/RECORD,,\\n")
    return "hostile-1.0-py3-none-any.whl"
"""
PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "hostile"
dynamic = ["version"]
"""
#: What a wheel can have run by everything that starts its environment's Python, and by imports.
AT_EVERY_START = "import os; open(os.path.join({open!r}, 'started-by-%d' % os.getuid()), 'w').close()\n"


@dataclass(frozen=True)
class Site:
    """Directories that the build user can reach: a volume, a cache, an index, and one that everybody can write."""

    root: Path
    uv: str

    @property
    def open(self) -> Path:
        return self.root / "open"

    def traces(self) -> set[str]:
        """What code of the packages has left, as words with the uid that ran it."""
        return {path.name for path in self.open.iterdir()}

    def arguments(self, **more: Any) -> dict[str, Any]:
        return {
            "name": "small",
            "version": "1",
            "mount_dir": self.root / "mnt",
            "cache_dir": self.root / "cache",
            "uv": self.uv,
            "index_url": f"file://{self.root}/index",
            "build_user": NOBODY,
            **more,
        }

    def offer(self, name: str, archive: str, data: bytes) -> None:
        directory = self.root / "index" / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / archive).write_bytes(data)
        links = [f'<a href="{path.name}">{path.name}</a>' for path in directory.iterdir() if path.name != "index.html"]
        (directory / "index.html").write_text("\n".join(links))


def sources(files: Mapping[str, str]) -> bytes:
    """A source distribution."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"hostile-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def wheel(name: str, files: Mapping[str, str]) -> bytes:
    """A wheel, version 1.0."""
    described = f"{name}-1.0.dist-info"
    texts = {
        **files,
        f"{described}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{described}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in texts.items():
            archive.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(text)}\n"
        archive.writestr(f"{described}/RECORD", f"{record}{described}/RECORD,,\n")
    return packed.getvalue()


def left_behind() -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if "petal-left-behind" in words:
            found.append(process.name)
    return found


@pytest.fixture(scope="module")
def uv() -> Iterator[str]:
    """A uv that everybody can reach, as it is on a host."""
    root = Path(tempfile.mkdtemp(prefix="petal-test-", dir="/opt"))
    root.chmod(0o755)
    role = yaml.safe_load((ROOT / "roles/python_environments/defaults/main.yml").read_text())
    pinned = {"version": role["python_environments_uv_version"], "sha256": role["python_environments_uv_sha256"]}
    yield run_module("uv", cache_dir=root, **pinned)["path"]
    shutil.rmtree(root)


@pytest.fixture
def site(uv: str) -> Iterator[Site]:
    # Not in a directory of pytest's, which only root passes; and where root's own files are, not among temporary ones.
    root = Path(tempfile.mkdtemp(prefix="petal-test-", dir="/opt"))
    root.chmod(0o755)
    for name in ("mnt", "open"):
        (root / name).mkdir()
    (root / "open").chmod(0o777)
    # What everybody may write on a volume: a mistake of a site's, and no way in.
    (root / "mnt" / "public").mkdir()
    (root / "mnt" / "public").chmod(0o777)
    here = Site(root, uv)
    outside = ["/root/hostile", "/etc/hostile", f"{root}/mnt/hostile", f"{root}/mnt/public/hostile"]
    outside += [f"{root}/mnt/envs/hostile", f"{root}/cache/hostile", f"{root}/cache/uv/wheels/hostile"]
    outside += ["/tmp/petal-hostile", "/var/tmp/petal-hostile"]
    backend = BACKEND.format(open=str(here.open), outside=outside)
    here.offer("hostile", "hostile-1.0.tar.gz", sources({"pyproject.toml": PROJECT, "backend.py": backend}))
    started = AT_EVERY_START.format(open=str(here.open))
    files = {"victim.py": "STATE = 'whole'\n", "victim.pth": started, "old.py": "print 'no Python of today'\n"}
    here.offer("victim", "victim-1.0-py3-none-any.whl", wheel("victim", files))
    yield here
    shutil.rmtree(root)


def fails(check: bool = False, **arguments: Any) -> str:
    result = result_of(start_module("python_environment", check, **arguments))
    assert result.get("failed"), result
    return str(result["msg"])


@pytest.mark.parametrize("check", [False, True], ids=["", "check mode"])
@pytest.mark.parametrize("by_address", [False, True], ids=["of an index", "by its address"])
def test_sources_are_refused_unless_they_are_named(site: Site, check: bool, by_address: bool) -> None:
    address = f"hostile @ file://{site.root}/index/hostile/hostile-1.0.tar.gz"
    message = fails(check, **site.arguments(packages=[address if by_address else "hostile"]))
    assert "hostile would have to be built from source" in message
    assert "build: [hostile] to this environment (software.python_environments[].build)" in message
    assert "\n" not in message
    assert site.traces() == set()


def test_nothing_is_built_in_check_mode(site: Site) -> None:
    outcome = run_module("python_environment", True, **site.arguments(packages=["hostile"], build=["hostile"]))
    assert outcome["changed"]
    assert outcome["environment"]["packages"] == [{"name": "hostile", "version": None, "hash": None, "requested": True}]
    resolved = run_module("python_environment", True, **site.arguments(packages=["victim"]))
    assert [package["version"] for package in resolved["environment"]["packages"]] == ["1.0"]
    assert site.traces() == set()


def test_what_is_named_is_built_by_somebody_who_can_do_nothing(site: Site) -> None:
    nobody = pwd.getpwnam(NOBODY)
    os.environ["PETAL_SECRET"] = "of the one who builds"
    try:
        outcome = run_module("python_environment", **site.arguments(packages=["Hostile"], build=["Hostile"]))
    finally:
        del os.environ["PETAL_SECRET"]
    assert site.traces() == {f"built-by-{nobody.pw_uid}"}
    found: dict[str, Any] = {}
    path = Path(outcome["environment"]["path"])
    exec(next(path.glob("lib/python3.*/site-packages/hostile.py")).read_text(), found)
    report = found["REPORT"]
    assert report["uid"] == [nobody.pw_uid] * 2
    assert report["gid"] == [nobody.pw_gid] * 2
    assert report["groups"] == []
    assert report["capabilities"] == [0, 0, 0, 0]
    assert report["no_new_privs"] == "1"
    assert not report["terminal"]
    # The shell, uv and the backend with what it has just started; nothing of the host.
    assert report["processes"] < 10
    assert report["written"] == []
    assert report["secret"] is None
    assert left_behind() == []
    assert [str(one) for one in path.rglob("*") if one.lstat().st_uid != 0 or one.lstat().st_gid != 0] == []
    assert [str(one) for one in path.rglob("*") if not one.is_symlink() and one.stat().st_mode & 0o7022] == []
    archive = (site.root / "index/hostile/hostile-1.0.tar.gz").read_bytes()
    assert outcome["environment"]["packages"][0]["hash"] == f"sha256:{hashlib.sha256(archive).hexdigest()}"
    assert "--only-binary :all: --no-binary hostile" in Path(outcome["environment"]["lock"]).read_text()
    assert list((site.root / "cache/work").iterdir()) == []
    again = run_module("python_environment", **site.arguments(packages=["hostile"], build=["hostile"]))
    assert not again["changed"]


def test_no_environment_gets_what_another_has_put_into_the_cache(site: Site) -> None:
    first = run_module("python_environment", **site.arguments(packages=["victim"]))
    # It spoils its own environment, whose imports then fail.
    both = site.arguments(name="both", packages=["victim", "hostile"], build=["hostile"], verify=False)
    run_module("python_environment", **both)
    last = run_module("python_environment", **site.arguments(name="last", packages=["victim"]))
    for outcome in (first, last):
        path = next(Path(outcome["environment"]["path"]).glob("lib/python3.*/site-packages"))
        assert (path / "victim.py").read_text() == "STATE = 'whole'\n"
        assert list((path / "__pycache__").glob("victim.*.pyc"))


def test_what_starts_with_every_python_is_not_started_by_root(site: Site) -> None:
    """The import that proves an environment starts it; reading what is installed and compiling bytecode do not."""
    outcome = run_module("python_environment", **site.arguments(packages=["victim"], verify=False))
    assert site.traces() == set()
    assert outcome["environment"]["check"] == ["python", "-c", "import victim"]
    shutil.rmtree(outcome["environment"]["path"])
    run_module("python_environment", **site.arguments(packages=["victim"]))
    nobody = pwd.getpwnam(NOBODY)
    assert site.traces() == {f"started-by-{nobody.pw_uid}"}


def test_a_name_without_a_package_is_said(site: Site) -> None:
    outcome = run_module("python_environment", **site.arguments(packages=["victim"], build=["vicitm"]))
    assert "build names vicitm, which is not among what was installed" in json.dumps(outcome["warnings"])


def test_killed_with_everything_that_it_started(site: Site) -> None:
    """A controller that dies takes the build with it: nobody goes on writing where the next run starts."""
    backend = f"import os, time\nopen({str(site.open / 'began')!r}, 'w').close()\ntime.sleep(3600)\n"
    files = {"pyproject.toml": PROJECT, "backend.py": backend}
    site.offer("hostile", "hostile-1.0.tar.gz", sources(files))
    process = start_module("python_environment", **site.arguments(packages=["hostile"], build=["hostile"]))
    while "began" not in site.traces():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    began = [path for path in Path("/proc").glob("[0-9]*") if _works_in(path, site.root)]
    assert began
    process.kill()
    process.communicate()
    while [path for path in began if path.exists()]:
        time.sleep(0.05)


def _works_in(process: Path, root: Path) -> bool:
    try:
        return str(root / "cache/build") in (process / "environ").read_text() and process.stat().st_uid != 0
    except OSError:
        return False


def test_who_builds_is_not_root(site: Site) -> None:
    assert "which are root's" in fails(**site.arguments(packages=["victim"], build_user="root"))
    message = fails(**site.arguments(packages=["victim"], build_user="petal-nobody-else"))
    assert "there is no user petal-nobody-else" in message
    assert "useradd --system" in message


def test_a_cache_that_only_root_passes(site: Site) -> None:
    (site.root / "cache").mkdir(0o700)
    message = fails(**site.arguments(packages=["victim"]))
    assert f"{site.root}/cache is closed to others" in message
    assert "chmod o+x" in message
