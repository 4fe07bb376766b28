"""What can go right and wrong with containers of a seed, each once, on this machine.

usage: containers_check.py [DIRECTORY]

A private registry with TLS and a login has the images (tests/lab/image_registry.py), builds are those of users, and a
mini cluster runs the programs in Slurm jobs. The last line is ``cases=N right=N``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import image_registry
import mpi_image
import spack_at_hand
import yaml
from image_registry import PASSWORD, Registry, tools_image
from minicluster.cluster import HEAD, USER, Cluster, reason_not_to, start
from moto.server import ThreadedMotoServer
from mpi_wheels import MPIS, NoWheelError
from playing import Run, command, finished, play

MOUNT_DIR = "/petal-containers-test"
#: Packages of Apptainer, which stay for the next run.
APPTAINER = spack_at_hand.CACHE / "apptainer"
#: As moto's account has it; and an address of this machine's that nobody else listens at.
ECR, ECR_ADDRESS = "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "127.77.0.1"


def container(image: str, **more: Any) -> dict[str, Any]:
    """A container of a seed."""
    return {"name": "tools", "image": image, "modules": ["alpha", "beta/0.7"], **more}


class Lab:
    """A registry with an image, and a directory for seeds and stores."""

    def __init__(self, directory: Path, registry: Registry, archives: dict[str, Path]) -> None:
        """Nothing is built yet."""
        self.directory = directory
        self.registry = registry
        self.archives = archives

    def image(self, name: str = "lab/tools:v1") -> str:
        """A reference of the registry's."""
        return f"{self.registry.address}/{name}"

    def seed(self, *containers: dict[str, Any]) -> Path:
        """A seed with these containers."""
        file = self.directory / "seed.yaml"
        volume = {"name": "software", "mount_dir": MOUNT_DIR, "ebs_settings": {"size": 1}}
        cluster = {"name": "containers-test", "provider": "local"}
        software = {"containers": [*containers]}
        file.write_text(yaml.safe_dump({"cluster": cluster, "shared_storage": [volume], "software": software}))
        return file

    def build(self, store: Path, *containers: dict[str, Any], prefix: Sequence[str] = (), **variables: Any) -> Run:
        """Build them. Whatever is said, the password is not. prefix: of the command."""
        given = {"containers_auth_from": f"file:{self.registry.auth_file}", "containers_runtime": "node", **variables}
        asked = command("build_volume", "-vvv", seed=self.seed(*containers), store=store, **given)
        with trusting(self.registry):
            done = finished([*prefix, *asked])
        assert PASSWORD not in done.output, "the password is in the output"
        assert "Traceback" not in done.output, done.output[-3000:]
        return done

    def refused(self, store: Path, *containers: dict[str, Any], says: str, **variables: Any) -> None:
        """Build them, which fails for a reason, and leaves nothing."""
        done = self.build(store, *containers, **variables)
        assert done.rc != 0, done.output[-2000:]
        assert re.search(says, " ".join(done.output.split())), done.output[-3000:]
        assert manifests(store) == {}


def trusting(registry: Registry) -> contextlib.AbstractContextManager[None]:
    """With the registry's certificate among those that programs trust."""
    return variables_set(registry.environment)


@contextlib.contextmanager
def variables_set(given: Mapping[str, str]) -> Iterator[None]:
    """With such variables in the environment."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def manifests(store: Path) -> dict[str, dict[str, Any]]:
    """Manifests of the snapshots in a store, by their fingerprints."""
    found = [json.loads(path.read_text()) for path in (store / "snapshots").glob("*/manifest.json")]
    return {manifest["fingerprint"]: manifest for manifest in found}


@contextlib.contextmanager
def lab(directory: Path) -> Iterator[Lab]:
    """A registry with images, until the end of the block."""
    image_registry.tools()
    archives = {
        "first": tools_image(directory, "first", {"alpha": "1.0", "beta": "0.7"}),
        "second": tools_image(directory, "second", {"alpha": "1.1", "beta": "0.7"}),
        "foreign": tools_image(directory, "foreign", {"alpha": "1.0", "beta": "0.7"}, architecture="riscv64"),
    }
    place = directory / "registry"
    place.mkdir()
    with image_registry.serving(place) as registry:
        registry.push(archives["first"], "lab/tools", "v1")
        registry.push(archives["foreign"], "lab/foreign", "v1")
        yield Lab(directory, registry, archives)


# -- what is built ----------------------------------------------------------------------------------------------------


def private_registry(lab: Lab, store: Path) -> None:
    """An image of a private registry: on the volume, in the manifest, with a module of each program."""
    done = lab.build(store, container(lab.image(), env={"WHO": "a b"}))
    assert done.rc == 0, done.output
    assert "module       alpha/v1 " in done.output
    (manifest,) = manifests(store).values()
    (image,) = manifest["images"]
    assert image["labels"]["org.opencontainers.image.description"] == "Tools of the lab: alpha, beta"
    assert image["programs"] == {"alpha": "/opt/tools/bin/alpha", "beta": "/opt/tools/bin/beta"}
    assert [(package["name"], package["version"]) for package in image["packages"]] == [
        ("busybox-static", "1:1.35.0-4+b3")
    ]
    assert image["os"] == "debian 12" and image["problems"] == []
    assert [entry["name"] for entry in manifest["modules"]] == ["tools/v1", "alpha/v1", "beta/0.7"]


def tag_moved(lab: Lab, store: Path) -> None:
    """A tag that is moved after the build is other software; what was built stays as it is."""
    asked = container(lab.image())
    assert lab.build(store, asked).rc == 0
    ((fingerprint, manifest),) = manifests(store).items()
    again = lab.build(store, asked)
    assert again.rc == 0 and "Nothing to build" in again.output, again.output[-2000:]
    try:
        digest = lab.registry.push(lab.archives["second"], "lab/tools", "v1")
        moved = lab.build(store, asked)
        assert moved.rc == 0, moved.output
    finally:
        lab.registry.push(lab.archives["first"], "lab/tools", "v1")
    both = manifests(store)
    assert len(both) == 2 and both[fingerprint] == manifest
    (other,) = (found for key, found in both.items() if key != fingerprint)
    assert other["images"][0]["digest"] == digest != manifest["images"][0]["digest"]


def same_file(lab: Lab, store: Path) -> None:
    """An archive beside the seed that holds the same image gives the same fingerprint, and the same file."""
    beside = lab.directory / "beside"
    (lab.directory / "images").mkdir(exist_ok=True)
    (lab.directory / "images" / "tools.tar").write_bytes(lab.archives["first"].read_bytes())
    for place, image in ((store, lab.image()), (beside, "file:images/tools.tar")):
        done = lab.build(place, container(image, version="v1"))
        assert done.rc == 0, done.output
    (one,), (other,) = manifests(store).items(), manifests(beside).items()
    assert one[0] == other[0]
    assert one[1]["images"][0]["sha256"] == other[1]["images"][0]["sha256"]


def amazon_ecr(lab: Lab, store: Path) -> None:
    """A private registry of Amazon ECR, with the login that AWS gives."""
    place = Path(tempfile.mkdtemp(dir=lab.directory))
    hosts = place / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{ECR_ADDRESS} {ECR}\n")
    # That name is a server of ours for the build alone.
    script = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
    prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", str(hosts)]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    aws = {"AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()), "AWS_ACCESS_KEY_ID": "lab"}
    aws |= {"AWS_SECRET_ACCESS_KEY": "lab", "NO_PROXY": "*"}
    registry = image_registry.serving(place, (ECR,), f"{ECR_ADDRESS}:443", {"AWS": f"{ECR[:12]}-auth-token"})
    try:
        with registry as running, variables_set(aws):
            running.push(lab.archives["first"], "lab/tools", "v1")
            done = Lab(lab.directory, running, lab.archives).build(
                store, container(f"{ECR}/lab/tools:v1"), prefix=prefix, containers_auth_from=""
            )
    finally:
        server.stop()
    assert done.rc == 0, done.output
    assert f"{ECR[:12]}-auth-token" not in done.output, "the token is in the output"
    (manifest,) = manifests(store).values()
    assert manifest["images"][0]["image"] == f"{ECR}/lab/tools:v1"


def wrong_login(lab: Lab, store: Path) -> None:
    """A login that the registry refuses."""
    lab.registry.log_in(password="another")
    try:
        lab.refused(store, container(lab.image()), says="refuses the login that there is for it")
    finally:
        lab.registry.log_in()


def without_login(lab: Lab, store: Path) -> None:
    """No login at all."""
    lab.refused(store, container(lab.image()), says="wants a login, or has no such image", containers_auth_from="")


def missing_tag(lab: Lab, store: Path) -> None:
    """A tag that is not there."""
    lab.refused(store, container(lab.image("lab/tools:v9")), says="has no v9 of lab/tools")


def missing_program(lab: Lab, store: Path) -> None:
    """A program that the image lacks."""
    says = "has no program gamma: looked for in /opt/tools/bin:/bin of the image"
    lab.refused(store, container(lab.image(), modules=["alpha", "gamma"]), says=says)


def other_platform(lab: Lab, store: Path) -> None:
    """An image for another platform."""
    says = "is an image for linux/riscv64, and the seed is for linux/amd64"
    lab.refused(store, container(lab.image("lab/foreign:v1")), says=says)


def changed_layer(lab: Lab, store: Path) -> None:
    """A layer that is not what its digest says."""
    blobs = lab.registry.root / "storage/docker/registry/v2/blobs/sha256"
    layer = max(blobs.glob("*/*/data"), key=lambda path: path.stat().st_size)
    right = layer.read_bytes()
    kept = [path for path in blobs.glob("*/*/data") if path.stat().st_size > 100_000]
    contents = {path: path.read_bytes() for path in kept}
    try:
        for path, content in contents.items():
            path.write_bytes(content[:-20] + bytes(255 - byte for byte in content[-20:]))
        lab.refused(store, container(lab.image()), says="could not be fetched at sha256:")
    finally:
        for path, content in contents.items():
            path.write_bytes(content)
    assert layer.read_bytes() == right


BUILDS: tuple[Callable[[Lab, Path], None], ...] = (
    private_registry,
    tag_moved,
    same_file,
    amazon_ecr,
    wrong_login,
    without_login,
    missing_tag,
    missing_program,
    other_platform,
    changed_layer,
)


# -- what runs on nodes -----------------------------------------------------------------------------------------------


class Nodes:
    """A mini cluster that mounts a volume with the tools, and with programs of MPI where they can be had."""

    def __init__(self, lab: Lab, cluster: Cluster, store: Path, without_mpi: str, *containers: dict[str, Any]) -> None:
        """Deploy it, which verifies each module in a job on each node. without_mpi: why there is none."""
        self.cluster = cluster
        self.without_mpi = without_mpi
        seed = lab.seed(*containers)
        with trusting(lab.registry):
            self.deployed = play(
                *("deploy_cluster", "-i", str(cluster.inventory)),
                seed=seed,
                store=store,
                verify_user=USER,
                containers_auth_from=f"file:{lab.registry.auth_file}",
            )

    def job(self, line: str, given: str = "", options: str = "", before: str = "") -> tuple[int, str]:
        """Run a line in a job as an ordinary user; its status and output. before: what the shell does first."""
        job = f"module load alpha beta; cd /tmp; {before} srun --quiet --nodes=1 {options} {line}"
        words = ["runuser", "--login", USER, "--command", f"bash --login -c {shlex.quote(job)}"]
        ssh = ["ssh", "-F", str(self.cluster.settings.path / "ssh/config"), HEAD, "sudo", shlex.join(words)]
        done = subprocess.run(ssh, input=given, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr


def verified(nodes: Nodes) -> None:
    """Each module runs its program in a Slurm job on each compute node."""
    assert nodes.deployed.rc == 0, nodes.deployed.output[-4000:]
    for module in ("tools/v1", "alpha/v1", "beta/0.7"):
        for node in ("c1", "c2"):
            found = re.search(rf"^ok +{module} +{node} ", nodes.deployed.output, re.MULTILINE)
            assert found, nodes.deployed.output[-2000:]


def arguments(nodes: Nodes) -> None:
    """Arguments come as they are: with blanks, empty, and what a shell would take for something else."""
    status, output = nodes.job("""alpha 'a b' '' '*' '$HOME' "it's" """)
    assert status == 0, output
    assert output.splitlines() == [
        *("alpha 1.0", "pwd=/tmp", "greeting=hello from the image", "count=5"),
        *("<a b>", "<>", "<*>", "<$HOME>", "<it's>"),
    ]


def standard_input(nodes: Nodes) -> None:
    """Standard input goes through srun and the script into the program, as in a pipe."""
    assert nodes.job("beta --stdin | cat", given="b\nc\na\n") == (0, "a\nb\nc\n")


def exit_status(nodes: Nodes) -> None:
    """The status is the program's own."""
    assert nodes.job("alpha --fail 7")[0] == 7


def several_tasks(nodes: Nodes) -> None:
    """Each task of a job is one of the program."""
    status, output = nodes.job("alpha --version", options="--ntasks=2 --overcommit")
    assert (status, output) == (0, "alpha 1.0\nalpha 1.0\n")


def several_tasks_below_pmix(nodes: Nodes) -> None:
    """Where a site's Slurm gives PMIx to all jobs: tasks that end at once, before others have begun."""
    for _run in range(3):
        status, output = nodes.job("alpha --version", options="--mpi=pmix --ntasks=4 --overcommit")
        assert (status, output) == (0, "alpha 1.0\n" * 4)


def _sums(nodes: Nodes, program: str, launcher: str, *, hosts: int, tasks: int, before: str = "") -> None:
    """Run a program of MPI, whose tasks each print one line and nothing else."""
    options = f"--mpi={launcher} --nodes={hosts} --ntasks={tasks} --overcommit"
    status, output = nodes.job(program, options=options, before=f"module load mpi; {before}")
    assert status == 0, output
    lines = re.findall(r"^(\d+) of (\d+) on (\w+): sum (\d+), (.+)$", output, re.MULTILINE)
    assert len(lines) == tasks == len(output.splitlines()), output
    assert {int(line[0]) for line in lines} == set(range(tasks)), output
    assert {line[1:2] + line[3:4] for line in lines} == {(str(tasks), str(tasks * (tasks + 1) // 2))}, output
    assert {" ".join(line[4].split()) for line in lines} == {MPIS[program.removesuffix("-sum")][1]}, output
    assert len({line[2] for line in lines}) == hosts, output


def mpi_on_one_node(nodes: Nodes) -> None:
    """Open MPI, started by srun --mpi=pmix: tasks on one node, by shared memory."""
    _sums(nodes, "openmpi-sum", "pmix", hosts=1, tasks=3)


def mpi_on_two_nodes(nodes: Nodes) -> None:
    """Open MPI, started by srun --mpi=pmix, on two nodes."""
    _sums(nodes, "openmpi-sum", "pmix", hosts=2, tasks=2)
    _sums(nodes, "openmpi-sum", "pmix", hosts=2, tasks=4)


def mpi_by_pmi2(nodes: Nodes) -> None:
    """MPICH, started by srun --mpi=pmi2, on one node and on two."""
    _sums(nodes, "mpich-sum", "pmi2", hosts=1, tasks=2)
    _sums(nodes, "mpich-sum", "pmi2", hosts=2, tasks=2)


def mpi_in_one_namespace(nodes: Nodes) -> None:
    """Tasks of a node in one namespace, for who asks for it."""
    for program, launcher in (("openmpi-sum", "pmix"), ("mpich-sum", "pmi2")):
        _sums(nodes, program, launcher, hosts=1, tasks=2, before="export PETAL_CONTAINER_MPI=yes;")
    mine = "module load mpi; export PETAL_CONTAINER_MPI="
    wrapper = f"{MOUNT_DIR}/containers/bin/petal-container"
    # The image of the module's program, with a program of the image's that says where it is.
    image = "$(grep -oE '[0-9a-f]{64}' $(command -v mpich-sum))"
    shown = [
        nodes.job(
            f"{wrapper} {image} -- sh -c 'ls -l /proc/self/ns/user; sleep 2'",
            options="--mpi=pmix --ntasks=2 --overcommit",
            before=f"{mine}{asked};",
        )
        for asked in ("yes", "no")
    ]
    namespaces = [set(re.findall(r"user:\[\d+\]", output)) for _status, output in shown]
    assert [status for status, _output in shown] == [0, 0], shown
    assert [len(found) for found in namespaces] == [1, 2], shown
    status, output = nodes.job("alpha", before="export PETAL_CONTAINER_MPI=please;")
    assert status == 125 and "PETAL_CONTAINER_MPI is please: it may be yes or no" in output, output


def without_namespaces(nodes: Nodes) -> None:
    """A node that forbids user namespaces: the hook says so, and no program seems to work."""
    # In a chroot the kernel makes none (user_namespaces(7)).
    prepare = "mkdir -p /mnt/root && mount --rbind / /mnt/root"
    nodes.cluster.run("c1", prepare)
    try:
        run = f"chroot /mnt/root runuser --login {USER} --command 'module load alpha && alpha --version'"
        said = nodes.cluster.run("c1", f"{run} 2>&1; echo status=$?", check=False)
        assert "status=0" not in said and "alpha 1.0" not in said, said
        hook = nodes.cluster.run(
            "c1", f"chroot /mnt/root {MOUNT_DIR}/bin/petal-node-setup 2>&1; echo status=$?", check=False
        )
        assert "status=1" in hook and "user namespaces" in hook, hook
    finally:
        nodes.cluster.run("c1", "umount --recursive --lazy /mnt/root", check=False)


ON_NODES: tuple[Callable[[Nodes], None], ...] = (
    verified,
    arguments,
    standard_input,
    exit_status,
    several_tasks,
    several_tasks_below_pmix,
    without_namespaces,
)
WITH_MPI: tuple[Callable[[Nodes], None], ...] = (
    mpi_on_one_node,
    mpi_on_two_nodes,
    mpi_by_pmi2,
    mpi_in_one_namespace,
)


def why_not() -> str:
    """Why this machine carries none of it, or an empty string."""
    if os.geteuid() != 0:
        return "volumes are mounted by root"
    if not shutil.which("apt-get"):
        return "the registry, and what brings images onto volumes, are packages of Debian's"
    return "" if Path("/dev/loop-control").exists() else "this kernel has no loop devices"


def packages() -> Path:
    """Packages of Apptainer, fetched once."""
    task = f"state=fetched directory={APPTAINER}"
    command = [str(Path(sys.executable).with_name("ansible")), "localhost", "-m", "petal.hpc.apptainer", "-a", task]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return APPTAINER


@contextlib.contextmanager
def nodes(lab: Lab, directory: Path) -> Iterator[Nodes]:
    """A mini cluster with the tools, until the end of the block."""
    store = directory / "deployed"
    asked = [container(lab.image(), env={"WHO": "a b"})]
    if not (without_mpi := mpi_image.why_not()):
        try:
            lab.registry.push(mpi_image.mpi_image(directory), "lab/mpi", "v1")
            asked.append({"name": "mpi", "image": lab.image("lab/mpi:v1"), "modules": [f"{name}-sum" for name in MPIS]})
        except NoWheelError as error:
            without_mpi = str(error)
    done = lab.build(store, *asked, containers_runtime="auto", containers_apptainer_directory=packages())
    assert done.rc == 0, done.output
    cluster = start(directory / "cluster", compute=2)
    try:
        yield Nodes(lab, cluster, store, without_mpi, *asked)
    finally:
        cluster.stop()


def main(words: list[str]) -> int:
    """Each case, and a line that counts them."""
    if reason := why_not():
        print(f"containers-check: {reason}")
        return 1
    right = cases = 0
    with tempfile.TemporaryDirectory(dir=words[0] if words else None) as place:
        directory = Path(place)
        directory.chmod(0o755)
        with lab(directory) as here:
            for build in BUILDS:
                cases += 1
                right += _case(build, here, directory / build.__name__)
            if reason := reason_not_to():
                print(f"skipped  on nodes: {reason}")
            else:
                with nodes(here, directory) as running:
                    if running.without_mpi:
                        print(f"skipped  MPI: {running.without_mpi}")
                    for check in (*ON_NODES, *(() if running.without_mpi else WITH_MPI)):
                        cases += 1
                        right += _case(check, running)
    print(f"cases={cases} right={right}")
    return 0 if right == cases else 1


def _case(case: Callable[..., None], *arguments: Any) -> int:
    started = time.monotonic()
    try:
        case(*arguments)
    except AssertionError:
        traceback.print_exc()
        verdict = "WRONG"
    else:
        verdict = "right"
    print(f"{verdict}  {time.monotonic() - started:6.1f} s  {(case.__doc__ or '').splitlines()[0]}", flush=True)
    return int(verdict == "right")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
