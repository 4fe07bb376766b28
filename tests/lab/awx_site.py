"""A site with AWX: jobs of its project as AWX runs them, with ansible-runner, on a mini cluster.

A job has what one of AWX has: a directory of its own with inventory, project, extra variables, credentials as files and
a machine credential in an agent; a home, host name, process and mount namespace that end with it, and another system
than the hosts; AWX's own callback, of whose events and artefacts the next job gets what a workflow hands on.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ec2lab import roots
from ec2lab.data.index import project_of
from ec2lab.data.linux import child_of
from minicluster.cluster import HEAD, USER, Cluster, start
from minicluster.settings import address
from playing import ROOT

LAB = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
#: Where volumes are mounted on the nodes.
MOUNT = "/shared"
#: The host that builds and keeps the store.
BUILDER = HEAD
SEED = """\
cluster: {{name: {name}, provider: local}}
shared_storage: [{{name: software, mount_dir: {mount}, ebs_settings: {{size: 1}}}}]
software:
  python_environments:
    - {{name: small, version: "1", packages: ["{package}"]}}
"""
PACKAGES = ("packaging==25.0", "six==1.17.0")
#: What a job's container is: no host of the site is that.
OS_RELEASE = 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'
#: Seconds between the word that a job is to end and its end, as AWX has them.
GRACE = 10.0


@dataclass(frozen=True)
class Ended:
    """A job's end, as AWX stores and shows it."""

    name: str
    status: str
    seconds: float
    events: tuple[str, ...]
    stdout: str
    facts: str

    @property
    def artifacts(self) -> dict[str, Any]:
        """What it hands on to the next job of a workflow."""
        found: dict[str, Any] = {}
        for event in map(json.loads, self.events):
            if event["event"] == "playbook_on_stats":
                found |= event["event_data"].get("artifact_data") or {}
        return found

    @property
    def size(self) -> int:
        """Bytes of its events."""
        return sum(map(len, self.events))

    @property
    def kept(self) -> dict[str, str]:
        """All that AWX keeps of it."""
        return {"events": "\n".join(self.events), "stdout": self.stdout, "facts": self.facts}


@dataclass
class Job:
    """One that runs."""

    name: str
    directory: Path
    ident: str
    process: subprocess.Popen[bytes]
    began: float

    def wait(self, seconds: float = 600) -> Ended:
        """Until it has ended. Raises subprocess.TimeoutExpired."""
        self.process.wait(seconds)
        took = time.monotonic() - self.began
        artifacts = self.directory / "artifacts" / self.ident
        status = artifacts / "status"
        # The number that ansible-runner gave each event, as AWX orders them.
        files = sorted(artifacts.glob("job_events/*-*.json"), key=lambda path: path.name.partition("-")[0].zfill(9))
        return Ended(
            self.name,
            status.read_text() if status.exists() else "killed",
            took,
            tuple(path.read_text() for path in files if not path.name.endswith("-partial.json")),
            _text(artifacts / "stdout") + _text(self.directory / "job.log"),
            "".join(path.read_text() for path in (artifacts / "fact_cache").rglob("*") if path.is_file()),
        )

    def cancel(self) -> Ended:
        """As AWX does: SIGINT to all that runs in it, and SIGKILL to what is left after ten seconds."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(child_of(self.process), signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        return self.kill()

    def kill(self) -> Ended:
        """End it without a word, as where its node goes away."""
        self.process.kill()
        return self.wait()


@dataclass
class Site:
    """A cluster, a project, and the secrets that credentials have: name and value."""

    directory: Path
    cluster: Cluster
    secrets: dict[str, str]
    extra: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    seen: list[str] = field(default_factory=list)

    @property
    def project(self) -> Path:
        """What AWX has checked out."""
        return self.directory / "project"

    def seed(self, name: str, package: str = PACKAGES[0], mount: str = MOUNT) -> str:
        """Put a small seed into the project; its path there, as job templates name it."""
        path = self.project / "seeds" / f"{name}.yaml"
        path.write_text(SEED.format(name=name, package=package, mount=mount))
        return str(path.relative_to(self.project))

    def launch(
        self,
        name: str,
        playbook: str,
        *,
        check: bool = False,
        limit: str = "",
        handed: Mapping[str, Any] | None = None,
        **asked: Any,
    ) -> Job:
        """Start a job. handed: what the job before it in a workflow handed on. asked: answers of the survey."""
        self.number += 1
        ident = str(self.number)
        # Short: sockets of agents and connections are in it.
        directory = Path(tempfile.mkdtemp(prefix=f"awx_{ident}_", dir=self.directory))
        self._fill(
            directory,
            ident,
            playbook,
            {**(handed or {}), **asked},
            ["--check"] * check + ["--limit", limit] * bool(limit),
        )
        inner = child_of_cluster(self.cluster)
        apart = [
            "unshare",
            "--pid",
            "--uts",
            "--ipc",
            "--mount",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--propagation=private",
        ]
        inside = [sys.executable, "-B", "-m", "awx_site", "--inside", str(directory), ident, f"{playbook}.yml"]
        with (directory / "job.log").open("wb") as log:
            process = subprocess.Popen(
                ["nsenter", f"--target={inner}", "--net", "--", *apart, *inside],
                cwd=directory,
                env={
                    "PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin",
                    "LANG": "C.UTF-8",
                    "PYTHONPATH": str(LAB),
                    "HOME": str(directory / "home"),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return Job(name, directory, ident, process, time.monotonic())

    def run(self, name: str, playbook: str, **options: Any) -> Ended:
        """A job to its end; what it gives away is noted."""
        return self.look(self.launch(name, playbook, **options).wait())

    def look(self, ended: Ended) -> Ended:
        """Note where secrets are in what AWX keeps."""
        for place, text in ended.kept.items():
            self.seen += [f"{name} in the {place} of {ended.name}" for name in given_away(text, self.secrets)]
        return ended

    def _fill(self, directory: Path, ident: str, playbook: str, answers: Mapping[str, Any], options: list[str]) -> None:
        for part in ("env", "inventory", "home", "cp", "artifacts"):
            (directory / part).mkdir(mode=0o700)
        # Each job has a copy of its own.
        shutil.copytree(self.project, directory / "project", symlinks=True)
        (directory / "etc-os-release").write_text(OS_RELEASE)
        inventory = directory / "inventory" / "hosts"
        inventory.write_text(f"#!/usr/bin/env python3\nprint({_inventory(self.project)!r})\n")
        inventory.chmod(0o700)
        # Credentials that are files: a name that says nothing, and an extra variable that has it.
        files = {}
        for variable, secret in (
            ("spack_buildcache_signing_key_file", "cache key"),
            ("head_node_key_file", "head node key"),
        ):
            handle, file = tempfile.mkstemp(dir=directory / "env")
            os.write(handle, self.secrets[secret].encode())
            os.close(handle)
            files[variable] = file
        both = {
            "job_id": int(ident),
            "job_launch_type": "manual",
            "job_template_id": 7,
            "job_template_name": f"petal.hpc {playbook}",
        }
        both |= {"user_id": 1, "user_name": "admin", "user_email": "", "user_first_name": "", "user_last_name": ""}
        both |= {
            "project_revision": "0" * 40,
            "project_scm_branch": "main",
            "inventory_id": 1,
            "inventory_name": "site",
        }
        of_awx = {f"{product}_{key}": value for product in ("awx", "tower") for key, value in both.items()}
        extra_variables(directory / "env" / "extravars", {**of_awx, **self.extra, **files}, answers)
        cp = str(directory / "cp")
        environment = {
            "ANSIBLE_FORCE_COLOR": "True",
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": cp,
            "AWX_PRIVATE_DATA_DIR": str(directory),
            "JOB_ID": ident,
            "INVENTORY_ID": "1",
            "PROJECT_REVISION": "0" * 40,
            "MAX_EVENT_RES": "700000",
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": self.secrets["AWS secret"],
            # What the shell of a container sets.
            "PWD": str(directory / "project"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        (directory / "env" / "envvars").write_text(json.dumps(environment))
        (directory / "env" / "settings").write_text(
            json.dumps({"suppress_ansible_output": True, "fact_cache_type": "jsonfile"})
        )
        (directory / "env" / "ssh_key").write_text(self.secrets["machine credential"])
        (directory / "env" / "ssh_key").chmod(0o600)
        (directory / "env" / "cmdline").write_text(" ".join(["-u", "admin", *options]))


def given_away(text: str, secrets: Mapping[str, str]) -> list[str]:
    """Names of the secrets of which a text has a line, as it is or as base64."""
    found = []
    for name, value in secrets.items():
        lines = [line for line in value.splitlines() if line and not line.startswith("-----")]
        forms = [*lines, *(base64.b64encode(line.encode()).decode().rstrip("=") for line in (value, *lines))]
        if any(form in text for form in forms):
            found.append(name)
    return found


def child_of_cluster(cluster: Cluster) -> int:
    """The first process in a cluster's namespaces."""
    return int(Path(f"/proc/{cluster.pid}/task/{cluster.pid}/children").read_text().split()[0])


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def _inventory(project: Path) -> str:
    """The project's inventory, as AWX reads it of a source."""
    command = [str(BIN / "ansible-inventory"), "-i", "inventory.yml", "--list", "--export"]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(project),
        "ANSIBLE_STDOUT_CALLBACK": "default",
        "LANG": "C.UTF-8",
    }
    return subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True, text=True).stdout


class _Unsafe(str):
    """What a person has said: no template."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(_Unsafe, lambda dumper, value: dumper.represent_scalar("!unsafe", str(value)))


def _marked(value: Any) -> Any:
    if isinstance(value, str):
        return _Unsafe(value)
    if isinstance(value, dict):
        return {_marked(key): _marked(one) for key, one in value.items()}
    return [_marked(one) for one in value] if isinstance(value, list) else value


def extra_variables(path: Path, trusted: Mapping[str, Any], answers: Mapping[str, Any]) -> None:
    """A template's own variables as they are, and what people and earlier jobs say as texts that nobody evaluates."""
    path.write_text(yaml.dump({**trusted, **_marked(dict(answers))}, Dumper=_Dumper, width=100_000))
    path.chmod(0o600)


def _index(directory: Path, root: Path) -> None:
    """An index of packages for hosts without a way out."""
    uv = yaml.safe_load((ROOT / "roles/python_environments/defaults/main.yml").read_text())[
        "python_environments_uv_version"
    ]
    wheels = roots.wheels([*PACKAGES, f"uv=={uv}"], root)
    for wheel in wheels.glob("*.whl"):
        place = directory / project_of(wheel.name)
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(wheel, place / wheel.name)
    for place in directory.iterdir():
        links = "".join(f'<a href="{file.name}">{file.name}</a>\n' for file in sorted(place.iterdir()))
        (place / "index.html").write_text(links)


def _write_inventory(project: Path, index: Path) -> None:
    """The example's groups with the cluster's hosts."""
    site = yaml.safe_load((project / "inventory.yml").read_text())
    names = {"head": [HEAD], "compute": ["c1"], "login": []}
    assert set(names) == set(site["all"]["children"])
    assert site["all"]["vars"]["build_host"] == BUILDER
    for group, hosts in names.items():
        site["all"]["children"][group] = {"hosts": {host: {"ansible_host": address(host)} for host in hosts}}
    site["all"]["vars"] |= {
        "petal_signing_key": "/etc/petal/signing-key",
        "verify_user": USER,
        "switch_timeout": 300,
        "python_environments_index_url": f"file://{index}",
        # A container forgets them, and the user's own file is not to have them.
        "ansible_ssh_common_args": "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
    }
    (project / "inventory.yml").write_text(yaml.safe_dump(site))


@contextmanager
def site(directory: Path) -> Iterator[Site]:
    """A site for as long as the block runs. Raises ClusterError."""
    directory.mkdir(parents=True, exist_ok=True)
    shared = directory / "index"
    shared.mkdir()
    cluster = start(directory / "cluster", compute=1, shared=[shared])
    try:
        _index(shared, Path(cluster.settings.root))
        project = directory / "project"
        subprocess.run([ROOT / "awx" / "make_project.sh", project], check=True, stdout=subprocess.DEVNULL)
        _write_inventory(project, shared)
        secrets = {name: _key(directory / "keys", name) for name in ("signing key", "cache key", "head node key")}
        secrets |= {
            "AWS secret": "wJalrXUtnFEMI/K7MDENG/" + os.urandom(9).hex(),
            "registry token": "glpat-" + os.urandom(12).hex(),
        }
        # The provider local signs where it builds.
        cluster.put(BUILDER, directory / "keys", "/etc/petal")
        secrets["machine credential"] = Path(cluster.settings.path / "ssh/id_ed25519").read_text()
        yield Site(directory, cluster, secrets)
    finally:
        cluster.stop()


def _key(directory: Path, name: str) -> str:
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / name.replace(" ", "-")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
    return path.read_text()


def _children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def inside(directory: Path, ident: str, playbook: str) -> int:
    """The first process of a job's namespaces: be its container, and have ansible-runner run it."""
    import ansible_runner

    socket.sethostname(f"awx-{ident}-{os.urandom(3).hex()}")
    release = str(Path("/etc/os-release").resolve())
    subprocess.run(["mount", "--bind", directory / "etc-os-release", release], check=True)
    # As the first process of a container does: its first child, and what that has in its group, hears what it is told.
    signal.signal(signal.SIGINT, lambda _number, _frame: os.killpg(min(_children()), signal.SIGINT))
    os.chdir(directory)
    ended = ansible_runner.run(
        private_data_dir=str(directory), playbook=playbook, ident=ident, quiet=True, cancel_callback=lambda: False
    )
    return 0 if ended.status == "successful" else 1


if __name__ == "__main__":
    assert sys.argv[1] == "--inside"
    sys.exit(inside(Path(sys.argv[2]), *sys.argv[3:5]))
