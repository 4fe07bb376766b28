"""The key that signs a build cache, on its way from AWS over the controller to a host in the lab: who could see it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

from aws_build import SEED, Site
from ec2lab import roots
from ec2lab.settings import Delays, Settings
from ec2lab.testing import Cloud, inside, why_not
from modules import run_module
from playing import ANSIBLE_PLAYBOOK, finished

NAME = "/petal/buildcache-key"
WORK_DIR = "/var/cache/petal/keytest"
ROLE = "petal.hpc.spack_buildcache"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    if reason := why_not():
        pytest.skip(reason)
    with inside(Settings(Delays(0.2, 0.2, 0.2, 0.2, 0.2, 1.0), root=str(roots.root()))):
        cloud = Cloud(tmp_path_factory.mktemp("cloud"))
        cloud.set_up()
        yield cloud


@contextlib.contextmanager
def watching(line: str) -> Iterator[list[str]]:
    """Command lines with a text in them, of whatever runs meanwhile on this machine and on the lab's hosts."""
    found: list[str] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    if line.encode() in path.read_bytes():
                        found.append(str(path))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def test_the_key_is_in_the_memory_of_its_host_alone_and_gone_in_the_end(cloud: Cloud, tmp_path: Path) -> None:
    key = tmp_path / "site.key"
    run_module("spack_buildcache_keys", gnupghome=tmp_path / "gpg", signing_key={"file": key, "create": True})
    secret, line = key.read_text(), key.read_text().splitlines()[3]
    cloud.session.client("ssm").put_parameter(Name=NAME, Value=secret, Type="SecureString")
    host = cloud.launch()
    cloud.ssh(host, f"sudo mkdir -p {WORK_DIR}/site && command -v gpg")
    common = "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    inventory = {
        "ansible_host": host["PublicIpAddress"],
        "ansible_user": "ec2-user",
        "ansible_ssh_private_key_file": str(cloud.key),
        "ansible_ssh_common_args": common,
        "ansible_python_interpreter": "auto_silent",
        # As Ansible has it by default: modules are files on the host for a moment.
        "ansible_pipelining": False,
    }
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": {"host": inventory}}}))
    instance = {"work_dir": WORK_DIR, "site_dir": f"{WORK_DIR}/site", "own_cache": f"{WORK_DIR}/own", "user": "root"}
    files = f"sudo grep -rlF {line} /home /root /var /tmp /etc || true"
    memory = "sudo find /run /dev/shm -name '*.key' -path '*petal-keys-*'"
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.include_role": {"name": ROLE}},
        {"ansible.builtin.command": {"cmd": memory}, "register": "while_it_is_needed"},
        {"ansible.builtin.include_role": {"name": ROLE, "tasks_from": "forget"}},
        {"ansible.builtin.debug": {"msg": "held {{ while_it_is_needed.stdout_lines | length }}"}},
    ]
    variables = {
        "spack_instance": instance,
        "spack_buildcache_signing_key_from": f"ssm:{NAME}",
        "spack_buildcache_url": f"{WORK_DIR}/cache",
        "spack_buildcache_region": "us-east-1",
    }
    play = [{"hosts": "all", "become": True, "gather_facts": False, "vars": variables, "tasks": tasks}]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    with watching(line) as seen:
        done = finished([str(ANSIBLE_PLAYBOOK), "-vvv", "-i", str(tmp_path / "hosts.json"), str(tmp_path / "play.yml")])
    assert done.rc == 0, done.output
    assert "held 1" in done.output
    assert line not in done.output
    assert seen == []
    assert cloud.ssh(host, files) == ""
    assert cloud.ssh(host, memory) == ""
    # That of this task was none.
    before, _name, after = done.output.partition("Have the signing key that is kept elsewhere")
    task, _name, rest = after.partition("Trust the keys that are named, and no other")
    assert " PUT " in rest and " PUT " not in task, (before, task)
    assert subprocess.run(["grep", "-rlF", line, str(tmp_path / "gpg")], capture_output=True, check=False).stdout == b""
    cloud.terminate(host["InstanceId"])


def test_the_plan_says_what_becomes_of_finished_packages(cloud: Cloud, tmp_path: Path) -> None:
    assert cloud is not None
    seed = SEED.replace("software:\n", "software:\n  spack_packages: [zlib]\n")
    site = Site(tmp_path, "lab-cache", seed)
    lost = "cache       finished packages live only as long as the build's host: "
    bare = site.play("build_volume", "--check")
    assert bare.rc == 0, bare.output
    assert f"{lost}no build cache is named" in bare.output
    unsigned = site.play("build_volume", "--check", cache="s3://petal-cache-lab")
    assert f"{lost}no key signs them" in unsigned.output
    key = {"spack_buildcache_signing_key_from": f"ssm:{NAME}"}
    both = site.play("build_volume", "--check", cache="s3://petal-cache-lab", **key)
    assert "cache       each package is in the build cache, signed, as soon as it is finished" in both.output
