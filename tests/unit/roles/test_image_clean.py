"""What a host has of its own is gone before an image is made of it, and what nodes need stays."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from playing import ROOT

CLEAN = ROOT / "roles" / "machine_image" / "files" / "petal-image-clean"
GOES = (
    *("var/cache/apt/archives/x.deb", "var/cache/dnf/x.rpm", "var/cache/petal/spack/y", "var/lib/apt/lists/index"),
    *("var/lib/cloud/instances/i-1/boot-finished", "var/lib/cloud/instance", "var/log/syslog.1", "var/log/x.gz"),
    *("var/log/journal/0123/system.journal", "tmp/left", "var/tmp/left", "root/.bash_history"),
    *("home/me/.python_history", "home/me/.ssh/known_hosts", "home/me/.ssh/authorized_keys"),
    *("root/.ssh/authorized_keys", "home/me/.aws/credentials", "etc/ssh/ssh_host_ed25519_key"),
    *("etc/ssh/ssh_host_ed25519_key.pub", "var/lib/dbus/machine-id", "root/.cache/pip/x"),
)
EMPTY = ("etc/machine-id", "var/log/syslog", "var/log/cloud-init-output.log", "var/mail/root")
STAYS = ("etc/ssh/sshd_config", "home/me/.bashrc", "shared/.petal/manifest.json", "tmp/ansible_running/module.py")


def test_what_is_the_hosts_own_is_taken_away(tmp_path: Path) -> None:
    for name in (*GOES, *EMPTY, *STAYS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("kept")
    for _again in range(2):
        done = subprocess.run(["sh", CLEAN, tmp_path], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert [name for name in GOES if (tmp_path / name).exists()] == []
        assert [(tmp_path / name).read_text() for name in EMPTY] == [""] * len(EMPTY)
        assert [(tmp_path / name).read_text() for name in STAYS] == ["kept"] * len(STAYS)


def test_an_empty_root_is_no_error(tmp_path: Path) -> None:
    assert subprocess.run(["sh", CLEAN, tmp_path], check=False).returncode == 0


MOUNTED = """set -eu
mkdir -p "$2/root/.cache/shared"
mount -t tmpfs none "$2/root/.cache/shared"
echo ours >"$2/root/.cache/ours"
echo theirs >"$2/root/.cache/shared/theirs"
sh "$1" "$2"
ls -R "$2/root/.cache"
"""


def test_what_is_mounted_there_is_in_no_image_and_stays(tmp_path: Path) -> None:
    own = ["unshare", "--mount", *(["--user", "--map-root-user"] if os.geteuid() else [])]
    if subprocess.run([*own, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this user has no mount namespaces of its own")
    done = subprocess.run(
        [*own, "sh", "-c", MOUNTED, "sh", CLEAN, tmp_path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "theirs" in done.stdout and "ours\n" not in done.stdout
