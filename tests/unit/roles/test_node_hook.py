"""The node hook and its bootstrap as shell scripts: clean, and no value reaches the shell unquoted."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.plugins.filter.core import to_nice_json
from node_hook import BOOTSTRAP, HOOK, render
from playing import ROOT

from ansible_collections.petal.hpc.plugins.module_utils._seed.people import PRIVILEGED_GROUPS
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import compatible_os, os_named
from ansible_collections.petal.hpc.plugins.module_utils._seed.storage_rules import VOLUMES_OWN
from ansible_collections.petal.hpc.plugins.plugin_utils.controller import this_host

SHELLCHECK = Path(sys.executable).with_name("shellcheck")
#: What would run if it reached a shell: it makes the file that EVIL names.
EVIL = "/x'; touch EVIL; $(touch EVIL) `touch EVIL` \"\\ & | * #"


def evil(file: Path) -> dict[str, Any]:
    value = EVIL.replace("EVIL", str(file))
    return {
        "software_volume_mount_dir": value,
        "software_volume_lmod_init": {"sh": value},
        "pcluster_config_software": {"mount_dir": value},
        "pcluster_config_hook_arguments": [value],
        "pcluster_config_documents": value,
    }


@pytest.mark.parametrize("template", [HOOK, BOOTSTRAP])
def test_shellcheck_finds_nothing(template: str) -> None:
    done = subprocess.run(
        [SHELLCHECK, "--shell=sh", "-"], input=render(template), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("template", [HOOK, BOOTSTRAP])
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_no_value_is_run(template: str, shell: str, tmp_path: Path) -> None:
    script, made = tmp_path / "script", tmp_path / "made"
    script.write_text(render(template, **evil(made)))
    # --root: whatever it does is done below there. The bootstrap finds no volume.
    arguments = ["--root", str(tmp_path / "root")] if template == HOOK else []
    done = subprocess.run(
        [shell, str(script), *arguments],
        env={"PATH": "/usr/bin:/bin", "PETAL_WAIT": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    if template == HOOK:
        # Neither by the shells that read what it has written.
        profile = tmp_path / "root" / "etc" / "profile.d" / "z00_petal.sh"
        read = [shell, "-euc", f"id() {{ echo 5001; }}; unset EUID || :; . {profile}; echo read"]
        assert subprocess.run(read, capture_output=True, text=True, check=True).stdout == "read\n"
    else:
        assert "/x'; touch" in done.stderr
    assert not made.exists()


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A volume with a hook of its own, which nobody is to run."""
    for name in ("bin/petal-node-setup", ".petal/manifest.json"):
        path = tmp_path / "a b" / name
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\necho the volume runs this as root\n")
        path.chmod(0o755)
    return tmp_path / "a b"


def bootstrap(volume: Path, documents: str = "") -> subprocess.CompletedProcess[str]:
    """What a node runs, with a hook that shows its arguments."""
    script = render(
        BOOTSTRAP,
        pcluster_config_software={"mount_dir": str(volume)},
        pcluster_config_hook_arguments=["--user", "$(id) 'x"],
        pcluster_config_hook_script='printf "<%s>" "$@"\n',
        pcluster_config_documents=documents,
    )
    return subprocess.run(["sh", "-s", "revision"], input=script, capture_output=True, text=True, check=False)


def test_the_bootstrap_hands_everything_on_and_runs_no_hook_of_the_volume(volume: Path) -> None:
    assert bootstrap(volume).stdout == "<--install><--user><$(id) 'x>"


def test_a_node_of_a_cluster_that_builds_its_own_software_is_set_up_when_there_is_some(
    volume: Path, tmp_path: Path
) -> None:
    result = tmp_path / "result"
    script = render(
        BOOTSTRAP,
        pcluster_config_software={"mount_dir": str(volume)},
        pcluster_config_hook_arguments=["--user", "x"],
        pcluster_config_hook_script=f'printf "<%s>" "$@" >{result}.new && mv {result}.new {result}\n',
        pcluster_config_documents="",
        pcluster_config_volume={"to_build": True},
    )
    (tmp_path / "node").write_text(script)
    quick = tmp_path / "bin" / "sleep"
    quick.parent.mkdir()
    quick.write_text("#!/bin/sh\nexec /bin/sleep 0.1\n")
    quick.chmod(0o755)
    variables = {"PATH": f"{quick.parent}:{os.environ['PATH']}", "PETAL_LOG": str(tmp_path / "log")}
    done = subprocess.run(
        ["sh", tmp_path / "node", "revision"], env=variables, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "has no software yet; this node is set up when it is built" in done.stderr
    (tmp_path / "node").unlink()
    assert not result.exists()
    (volume / ".petal" / "SHA256SUMS").touch()
    for _again in range(100):
        if result.exists():
            break
        time.sleep(0.1)
    assert result.read_text() == "<--install><--user><x>"


def test_the_bootstrap_compares_the_volume_with_what_is_signed(volume: Path) -> None:
    """A volume that is not as it was built is used by no node; without a digest of it nothing is compared."""
    manifest = volume / ".petal" / "manifest.json"
    right = f"{hashlib.sha256(manifest.read_bytes()).hexdigest()}  manifest.json\n".encode()
    documents = f"sha256:{hashlib.sha256(right).hexdigest()}"
    sums = volume / ".petal" / "SHA256SUMS"
    missing = bootstrap(volume, documents)
    sums.write_bytes(right)
    assert bootstrap(volume, documents).stdout == "<--install><--user><$(id) 'x>"
    manifest.write_text("{}")
    changed = bootstrap(volume, documents)
    # Both may be changed together; then the digest is another one.
    sums.write_text(f"{hashlib.sha256(manifest.read_bytes()).hexdigest()}  manifest.json\n")
    forged = bootstrap(volume, documents)
    for done in (missing, changed, forged):
        assert (done.returncode, done.stdout) == (1, "")
        assert f"is not as it was built: the snapshot says {documents}" in done.stderr


@pytest.mark.parametrize(
    ("seed", "ids", "says"),
    [
        ("rocky9", 'ID="rocky"\nVERSION_ID="9.4"', ""),
        ("rocky9", 'ID="rhel"\nVERSION_ID="9.6"', ""),
        ("rhel9", 'ID="almalinux"\nVERSION_ID="9.4"', ""),
        ("rhel8", 'ID="ol"\nVERSION_ID="8.10"', ""),
        ("ubuntu2204", 'ID=ubuntu\nVERSION_ID="22.04"', ""),
        ("alinux2023", 'ID="amzn"\nVERSION_ID="2023"', ""),
        ("debian12", 'ID=debian\nVERSION_ID="12"', ""),
        ("rocky9", 'ID="rocky"\nVERSION_ID="8.10"', "this node is rocky8"),
        ("rhel9", 'ID="centos"\nVERSION_ID="9"', "this node is centos9"),
        ("ubuntu2404", 'ID=ubuntu\nVERSION_ID="22.04"', "built for ubuntu2404, and this node is ubuntu2204"),
        ("alinux2023", 'ID=debian\nVERSION_ID="12"', "built for alinux2023, and this node is debian12"),
        ("debian12", "NAME=nothing", "this node is unknown"),
    ],
)
def test_a_node_of_another_system_is_refused_before_anything_is_written(
    seed: str, ids: str, says: str, tmp_path: Path
) -> None:
    """As the function that decides for the roles does."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "os-release").write_text(f"NAME=x\n{ids}\n")
    known = dict(line.split("=") for line in ids.replace('"', "").splitlines())
    found = os_named(known.get("ID", ""), known.get("VERSION_ID", ""))
    assert (found in compatible_os(seed)) == (not says)
    done = hook(tmp_path, software_volume_compatible_os=compatible_os(seed), software_volume_architecture="x86_64")
    assert says in done.stderr
    if says:
        assert "nothing was set up" in done.stderr
        assert done.returncode == 1
    assert (tmp_path / "etc" / "profile.d" / "z00_petal.sh").is_file() == (not says)


def test_what_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    """On a full disk, say; /etc/fstab and the shells' files have one way to be written."""
    if os.geteuid() != 0:
        pytest.skip("the hook wants root")
    etc, script = tmp_path / "root" / "etc", tmp_path / "script"
    etc.mkdir(parents=True)
    (etc / "bash.bashrc").write_text("first=1\n")
    (etc / "profile.d").write_text("no directory")
    script.write_text(render(HOOK))

    # No file may grow; what is written says so and is not killed for it.
    limits, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        full = subprocess.run(
            ["sh", str(script), "--root", str(tmp_path / "root")],
            capture_output=True,
            text=True,
            check=False,
            restore_signals=False,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "/etc/bash.bashrc could not be written, and is as it was" in full.stderr
    assert "z00_petal.sh could not be made, so login shells have no modules of /shared" in full.stderr
    assert (full.returncode, full.stdout) == (1, "")
    assert (etc / "bash.bashrc").read_text() == "first=1\n"
    assert sorted(path.name for path in etc.iterdir()) == ["bash.bashrc", "profile.d"]

    (etc / "profile.d").unlink()
    (etc / "bash.bashrc").chmod(0o640)
    hook(tmp_path / "root")
    assert (etc / "bash.bashrc").read_text().startswith("first=1\n# >>> petal.hpc\n")
    assert (etc / "bash.bashrc").stat().st_mode & 0o777 == 0o640
    assert (etc / "profile.d" / "z00_petal.sh").is_file()


def test_a_node_of_another_architecture_is_refused_and_what_was_set_up_there_can_be_removed(tmp_path: Path) -> None:
    other = "x86_64" if platform.machine() == "aarch64" else "arm64"
    script = tmp_path / "script"
    here = this_host()
    script.write_text(render(HOOK, software_volume_compatible_os=[here.os], software_volume_architecture=other))
    if os.geteuid() != 0:
        pytest.skip("the hook wants root")
    done = subprocess.run(["sh", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"built for {other}, and this node is {here.architecture}: nothing was set up" in done.stderr
    # An image is not of this machine.
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "os-release").write_text("ID=rocky\nVERSION_ID=9.4\n")
    done = hook(tmp_path, software_volume_compatible_os=["rocky9"], software_volume_architecture=other)
    assert (tmp_path / "etc" / "profile.d" / "z00_petal.sh").is_file(), done.stderr
    hook(tmp_path, "--remove", software_volume_compatible_os=["debian12"], software_volume_architecture=other)
    assert not (tmp_path / "etc" / "profile.d" / "z00_petal.sh").exists()


def leads(profile: Path) -> str:
    """The profile of a volume that a file below /etc/profile.d reads."""
    return profile.read_text().splitlines()[0].removeprefix("# petal-node-setup reads ")


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory to which everybody comes, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def test_the_profile_is_read_by_all_shells_but_roots(public: Path) -> None:
    """Root logs in on a node, and so does Ansible: whoever made the volume would be root there."""
    volume = public / "a b's"
    (volume / "etc" / "profile.d").mkdir(parents=True)
    (volume / "etc" / "profile.d" / "petal.sh").write_text("echo petal as $(id -u)\n")
    (volume / "etc" / "profile.d" / "petal.csh").write_text("echo petal as `id -u`\n")
    root = public / "root"
    assert hook(root, software_volume_mount_dir=str(volume)).stdout == "changed\n"
    assert hook(root, software_volume_mount_dir=str(volume)).stdout == "unchanged\n"
    seen = set()
    for shell in ("sh", "bash", "dash", "zsh", "ksh", "csh", "tcsh"):
        program = shutil.which(shell)
        if program is None:
            continue
        seen.add(shell)
        profile = root / "etc" / "profile.d" / ("z00_petal.csh" if shell.endswith("csh") else "z00_petal.sh")
        line = f"{'source' if shell.endswith('csh') else '.'} {profile}"
        for user in (0, 65534):
            command = ["setpriv", f"--reuid={user}", "--clear-groups", program, "-c", line]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
            assert (done.stdout, done.stderr) == (f"petal as {user}\n" if user else "", ""), (shell, user)
    assert seen >= {"sh", "bash"}


def test_the_link_of_an_earlier_release_becomes_a_file(tmp_path: Path) -> None:
    """Its own, and that of another volume, which is kept aside."""
    profiles = tmp_path / "etc" / "profile.d"
    profiles.mkdir(parents=True)
    for volume in ("a", "b"):
        (tmp_path / volume / "etc" / "profile.d").mkdir(parents=True)
        (tmp_path / volume / "etc" / "profile.d" / "petal.sh").touch()
    (profiles / "z00_petal.sh").symlink_to("/a/etc/profile.d/petal.sh")
    assert hook(tmp_path, software_volume_mount_dir="/a").stdout == "changed\n"
    assert not (profiles / "z00_petal.sh").is_symlink()
    assert leads(profiles / "z00_petal.sh") == "/a/etc/profile.d/petal.sh"
    assert not [path.name for path in profiles.iterdir() if path.name.startswith(".")]
    (profiles / "z00_petal.sh").unlink()
    (profiles / "z00_petal.sh").symlink_to("/b/etc/profile.d/petal.sh")
    hook(tmp_path, software_volume_mount_dir="/a")
    hook(tmp_path, "--remove", software_volume_mount_dir="/a")
    assert not (profiles / "z00_petal.sh").is_symlink()
    assert leads(profiles / "z00_petal.sh") == "/b/etc/profile.d/petal.sh"
    (profiles / "z00_petal.sh").unlink()
    (profiles / "z00_petal.sh").symlink_to("/b/etc/profile.d/petal.sh")
    assert hook(tmp_path, "--remove", software_volume_mount_dir="/b").stdout == "changed\n"
    assert not list(profiles.iterdir())


def test_what_a_node_lacks_is_read_from_the_manifest_and_said(tmp_path: Path) -> None:
    """As Ansible writes a manifest; what stands there is text, whoever wrote it."""
    needs = [
        {"path": "/usr/bin/python9.9", "reason": "the Python of environments"},
        {"path": "/bin/sh", "reason": "which every node has"},
        {"path": "/a b/$(touch EVIL)", "reason": '`touch EVIL`; "$(touch EVIL)" \x1b[31m red'},
        {"path": "relative", "reason": "no path"},
    ]
    volume, made = tmp_path / "volume", tmp_path / "EVIL"
    (volume / ".petal").mkdir(parents=True)
    manifest = {"modules": [{"path": "/not/asked", "reason": "elsewhere"}], "requires": needs, "schema": 1}
    (volume / ".petal" / "manifest.json").write_text(to_nice_json(manifest, sort_keys=True) + "\n")
    (tmp_path / "root" / "bin").mkdir(parents=True)
    (tmp_path / "root" / "bin" / "sh").touch()
    done = hook(tmp_path / "root", software_volume_mount_dir=str(volume))
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if "is missing" in line]
    assert said[0] == "petal-node-setup: /usr/bin/python9.9 is missing on this node: the Python of environments"
    assert said[1].startswith("petal-node-setup: /a b/$(touch EVIL) is missing on this node: `touch EVIL`; ")
    assert len(said) == 2 and "\x1b" not in done.stderr and not made.exists() and not Path("EVIL").exists()
    manifest["requires"] = []
    (volume / ".petal" / "manifest.json").write_text(to_nice_json(manifest, sort_keys=True) + "\n")
    assert "is missing" not in hook(tmp_path / "root", software_volume_mount_dir=str(volume)).stderr


def test_a_hook_that_was_told_nothing_finds_lmod_and_runs_it_as_nobody(public: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the hook wants root")
    script = render(HOOK, software_volume_mount_dir=str(public), software_volume_lmod_init={"sh": ""})
    lmod = public / "lmod" / "lmod"
    (lmod / "init").mkdir(parents=True)
    (lmod / "init" / "sh").touch()
    (lmod / "libexec").mkdir()
    (lmod / "libexec" / "lmod").write_text(f"#!/bin/sh\nid -u >{public}/said/uid\nenv >{public}/said/env\n")
    (lmod / "libexec" / "lmod").chmod(0o755)
    (public / "said").mkdir()
    (public / "said").chmod(0o777)
    start = script[script.index("volume=") : script.index("# What the software was built for")]
    done = subprocess.run(
        ["sh", "-euc", f"{start}root=''\n{of_the_hook('nobody', 'lmod_runs')}\nlmod_runs && echo \"$lmod_init\""],
        env={"PATH": "/usr/sbin:/usr/bin:/bin", "SECRET": "of root"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{lmod}/init/sh\n"
    assert (public / "said" / "uid").read_text() == "65534\n"
    assert "SECRET" not in (public / "said" / "env").read_text()
    (lmod / "libexec" / "lmod").unlink()
    done = subprocess.run(["sh", "-euc", f"{start}echo $lmod_init"], capture_output=True, text=True, check=True)
    assert done.stdout == "/usr/share/lmod/lmod/init/sh\n"


def hook(root: Path, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """The hook on the file system below a directory."""
    if os.geteuid() != 0:
        pytest.skip("the hook wants root")
    volume = variables.get("software_volume_mount_dir", "/shared")
    script = render(HOOK, **{"software_volume_lmod_init": {"sh": f"{volume}/lmod/lmod/init/sh"}, **variables})
    return subprocess.run(
        ["sh", "-s", "--", *arguments, "--root", str(root)], input=script, capture_output=True, text=True, check=False
    )


#: What stands around mount_bucket in the hook, as far as it needs it: it says what it would do.
AROUND = """set -eu
begin=x end=y tool=s3fs
problem() { echo "problem: $*"; }
unmount() { :; }
entry() { :; }
share() { echo "fstab: $2"; }
owners() { :; }
volume=/shared
mountpoint() { return 1; }
mount() { echo "mounted: $1"; }
timeout() { shift; "$@"; }
"""


def test_a_bucket_is_mounted_below_the_volume_and_where_it_cannot_be_the_rest_goes_on(tmp_path: Path) -> None:
    """A mount point that cannot be made, as on a read-only volume, ended the hook half-way."""
    script = render(HOOK)
    function = (
        of_the_hook("safe") + "\n" + script[script.index("mount_bucket() {") : script.index('\nif [ -n "$mounts" ]')]
    )
    (tmp_path / "file").write_text("")
    points = [tmp_path / "file" / "below", tmp_path / "volume" / "references"]
    calls = "".join(f"mount_bucket lab:{point}:ro\n" for point in points)
    done = subprocess.run(["sh", "-c", AROUND + function + calls], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert f"problem: bucket lab cannot be mounted at {points[0]}: the directory is not there" in said[0]
    assert "a mount_point outside of the volume" in said[0]
    assert said[1].startswith(f"fstab: lab {points[1]} fuse.s3fs") and len(said) == 2
    assert f"mounted: {points[1]}" in done.stderr.splitlines()
    assert points[1].is_dir()


def test_the_directories_of_the_volume_are_the_ones_that_no_bucket_may_hide() -> None:
    """What the roles make at the top of a volume, held against the rule's list."""
    tasks = (ROOT / "roles" / "software_volume" / "tasks" / "install.yml").read_text()
    made = {name.split("/")[0] for name in yaml.safe_load(tasks)[0]["petal.hpc.volume_layout"]["plan"]}
    places = re.findall(
        r"mount_dir(?: \}\}|\s*~\s*')/([a-z.]+)",
        "".join(
            path.read_text()
            for path in (ROOT / "roles").glob("*/*/*.yml")
            if path.parent.name in ("tasks", "defaults", "vars")
        ),
    )
    assert made | set(places) <= set(VOLUMES_OWN), (made | set(places)) - set(VOLUMES_OWN)


def test_a_volume_that_goes_leaves_the_profile_of_another(tmp_path: Path) -> None:
    """Whichever was linked last, and whichever goes first: what is still there is still linked, and read by shells."""
    links = [tmp_path / "etc" / "profile.d" / f"z00_petal.{kind}" for kind in ("sh", "csh")]
    lines = tmp_path / "etc" / "zsh" / "zshenv"
    lines.parent.mkdir(parents=True)
    for name in ("a", "b"):
        profile = tmp_path / name / "etc" / "profile.d"
        profile.mkdir(parents=True)
        for link in links:
            (profile / link.name.removeprefix("z00_")).touch()

    def run(name: str, *arguments: str) -> str:
        return hook(tmp_path, *arguments, software_volume_mount_dir=f"/{name}").stdout.strip()

    def linked() -> list[str]:
        return [leads(link).split("/")[1] for link in links if link.exists()]

    for last, first_to_go, left in (("b", "b", "a"), ("b", "a", "b")):
        assert run("a") == "changed"
        assert run(last) == "changed"
        assert run(last) == "unchanged"
        assert linked() == ["b", "b"]
        assert run(first_to_go, "--remove") == "changed"
        assert run(first_to_go, "--remove") == "unchanged"
        assert linked() == [left, left]
        assert "petal" in lines.read_text()
        assert run(left, "--remove") == "changed"
        assert not list((tmp_path / "etc" / "profile.d").iterdir())
        assert "petal" not in lines.read_text()


def test_a_volume_that_goes_leaves_the_buckets_of_another(tmp_path: Path) -> None:
    """Also where both have one bucket at one place; what an earlier release wrote bears no volume, and goes."""
    fstab = tmp_path / "etc" / "fstab"
    fstab.parent.mkdir(parents=True)

    def entry(directory: str, *volumes: str) -> str:
        owners = "".join(f"# for the volume at {volume}\n" for volume in volumes)
        return f"# >>> petal.hpc {directory}\n{owners}lab {directory} fuse.s3fs ro 0 0\n# <<< petal.hpc\n"

    def remove(volume: str) -> str:
        done = hook(tmp_path, "--remove", software_volume_mount_dir=volume)
        return done.stdout.strip()

    root = "UUID=1 / ext4 defaults 0 1\n"
    fstab.write_text(root + entry("/old") + entry("/both", "/a", "/b") + entry("/mine", "/b") + entry("/other", "/a"))
    assert remove("/b") == "changed"
    assert fstab.read_text() == root + entry("/other", "/a") + entry("/both", "/a")
    assert remove("/b") == "unchanged"
    assert remove("/a") == "changed"
    assert fstab.read_text() == root


def test_a_bucket_bears_the_volumes_that_want_it(tmp_path: Path) -> None:
    """As often as each of them is set up, and in whatever order, the file changes once for each."""
    fstab = tmp_path / "fstab"
    fstab.write_text("UUID=1 / ext4 defaults 0 1\n")
    said = [
        subprocess.run(
            ["sh", "-c", mounting(software_volume_mount_dir=volume).replace("/etc/fstab", str(fstab))],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for volume in ("/b", "/a", "/b", "/a")
    ]
    assert said == [f"mounted {tmp_path}\nchanged=yes\n", "changed=yes\n", "changed=no\n", "changed=no\n"]
    assert re.findall(r"(?<=^# for the volume at ).*", fstab.read_text(), re.MULTILINE) == ["/a", "/b"]
    assert fstab.read_text().count("fuse.s3fs") == 1


def mounting(**variables: Any) -> str:
    """The functions of the hook that mount a bucket, and one that is mounted at the first time."""
    script = render(HOOK, **variables)
    start, end = script.index("inside() {"), script.index("\nlink petal.sh")
    buckets = script[script.index("# Several volumes may want") : script.index('\nif [ -n "$mounts" ]')]
    head = script[script.index("volume=") : script.index("lmod_init=")]
    return f"""set -eu
{head}begin='# >>> petal.hpc' end='# <<< petal.hpc' root='' remove=no changed=no tool=s3fs
{script[start:end]}
{of_the_hook("safe")}
{buckets}
problem() {{ echo "problem: $*"; }}
unmount() {{ :; }}
mountpoint() {{ grep -q mounted /etc/fstab.mounted 2>/dev/null; }}
timeout() {{ echo "mounted $3"; echo mounted >/etc/fstab.mounted; }}
mount_bucket "lab:$(dirname /etc/fstab):ro" 2>&1
echo "changed=$changed"
"""


def test_a_volume_that_is_gone_does_not_come_back(tmp_path: Path) -> None:
    link = tmp_path / "etc" / "profile.d" / "z00_petal.sh"
    (tmp_path / "a" / "etc" / "profile.d").mkdir(parents=True)
    (tmp_path / "a" / "etc" / "profile.d" / "petal.sh").touch()
    for name in ("a", "b"):
        hook(tmp_path, software_volume_mount_dir=f"/{name}")
    (tmp_path / "a" / "etc" / "profile.d" / "petal.sh").unlink()
    hook(tmp_path, "--remove", software_volume_mount_dir="/b")
    assert not link.exists()


def of_the_hook(*names: str) -> str:
    """Functions of the hook, as text."""
    script = render(HOOK)
    return "\n".join(script[script.index(f"{name}() {{") :].partition("\n}\n")[0] + "\n}" for name in names)


@pytest.mark.skipif(os.geteuid() != 0, reason="what belongs to others takes root to make")
@pytest.mark.parametrize("attack", ["", "link", "owner", "above", "writable"])
def test_a_bucket_is_mounted_only_where_nobody_else_can_put_a_link(attack: str, tmp_path: Path) -> None:
    """The head node's volume is writable by all, and sticky: its users can be faster than the hook."""
    volume, system = tmp_path / "volume", tmp_path / "system"
    volume.mkdir()
    volume.chmod(0o1777)
    system.mkdir()
    point = volume / "data" / "references"
    point.parent.mkdir()
    if attack == "link":
        point.symlink_to(system)
        os.lchown(point, 5001, 5001)
    else:
        point.mkdir()
    if attack == "owner":
        os.chown(point, 5001, 5001)
    elif attack == "above":
        os.chown(point.parent, 5001, 5001)
    elif attack == "writable":
        point.parent.chmod(0o777)
    script = of_the_hook("safe") + f"\nsafe {point}"
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (attack == ""), done.stderr


def homes(tmp_path: Path, *calls: str) -> tuple[list[str], bool]:
    """What add_home says, below a /home of its own, and whether it made anything."""
    (tmp_path / "home").mkdir(exist_ok=True)
    script = 'changed=no\nproblem() { echo "$*"; }\n' + of_the_hook("safe", "add_home").replace(
        "/home", f"{tmp_path}/home"
    )
    script += "\n" + "\n".join(calls) + '\necho "$changed"\n'
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *said, changed = done.stdout.splitlines()
    return said, changed == "yes"


@pytest.mark.skipif(os.geteuid() != 0, reason="homes are given away by root")
def test_a_home_is_made_whole_and_what_was_there_keeps_its_owner(tmp_path: Path) -> None:
    home, system = tmp_path / "home" / "a", tmp_path / "backups"
    assert homes(tmp_path, f"add_home a 5001 5002 {home}") == ([], True)
    assert (home.stat().st_uid, home.stat().st_gid, home.stat().st_mode & 0o777) == (5001, 5002, 0o700)
    assert homes(tmp_path, f"add_home a 5001 5002 {home}") == ([], False)
    assert [entry.name for entry in (tmp_path / "home").iterdir()] == ["a"]
    system.mkdir()
    assert homes(tmp_path, f"add_home a 5001 5002 {system}") == ([], False)
    assert system.stat().st_uid == 0
    # What is root's is said, and stays root's.
    os.chown(home, 0, 0)
    said, changed = homes(tmp_path, f"add_home a 5001 5002 {home}")
    assert "is root's" in said[0] and not changed
    assert home.stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="homes are given away by root")
@pytest.mark.parametrize(
    "place", ["/", "/home/../etc/a", "/srv/a", "/home/team/a", "/home/link/a", "/home/open/a", "/home/"]
)
def test_no_home_is_made_where_root_is_not_alone(place: str, tmp_path: Path) -> None:
    team, elsewhere = tmp_path / "home" / "team", tmp_path / "elsewhere"
    team.mkdir(parents=True)
    os.chown(team, 5009, 5009)
    elsewhere.mkdir()
    (tmp_path / "home" / "link").symlink_to(elsewhere)
    (tmp_path / "home" / "open").mkdir()
    (tmp_path / "home" / "open").chmod(0o777)
    owner = Path("/").stat().st_uid
    said, changed = homes(tmp_path, f"add_home a 5001 5002 {tmp_path}{place}")
    assert not changed
    assert said == [] if place in ("/", "/home/") else "has no home" in said[0]
    assert list(team.iterdir()) + list(elsewhere.iterdir()) == []
    assert Path("/").stat().st_uid == owner


@pytest.mark.parametrize(
    ("user", "says"),
    [
        ("backup:34:34", "ids below 1000 belong to the system's own"),
        ("a:5001:27", "ids below 1000"),
        ("a:999:5001", "ids below 1000"),
        ("a:0:0", "this is no NAME:UID:GID"),
    ],
)
def test_the_systems_own_ids_are_refused(user: str, says: str, tmp_path: Path) -> None:
    done = hook(tmp_path, "--user", user)
    assert done.returncode == 2
    assert says in done.stderr


def test_groups_that_are_as_good_as_root_are_those_of_the_seed() -> None:
    listed = re.search(r"for group in (.*); do", of_the_hook("powerful"))
    assert listed is not None
    assert set(listed[1].split()) == PRIVILEGED_GROUPS
    for group, is_it in (("wheel", True), ("researchers", False)):
        script = of_the_hook("powerful") + f"\npowerful {group} 5001"
        assert (subprocess.run(["sh", "-c", script], check=False).returncode == 0) == is_it
