"""The execution environment: what is said before it is built, and, where podman can build one, what is in it.

PETAL_EE_BASE names an image to build it on (`make awx-base` makes one), PODMAN more options of podman build;
PETAL_EE_IMAGE names one that was built before.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playing import ROOT

BASE, BUILT = os.environ.get("PETAL_EE_BASE", ""), os.environ.get("PETAL_EE_IMAGE", "")
NAME = "localhost/petal-ee-test"
NAMELESS = ("--user", "4711:0")
NOT_ASKED = "nobody asked for an image: PETAL_EE_BASE names one to begin with, PETAL_EE_IMAGE one that is there"


def asked(path: str = os.environ["PATH"], **given: str) -> subprocess.CompletedProcess[str]:
    """What the making of an image begins with."""
    command = ["/bin/bash", str(ROOT / "awx/image.sh"), "check"]
    return subprocess.run(command, env={"PATH": path, **given}, capture_output=True, text=True, check=False)


@pytest.fixture
def nothing_there(tmp_path: Path) -> str:
    """A PATH with what the script itself needs, without podman."""
    (tmp_path / "dirname").symlink_to("/usr/bin/dirname")
    return str(tmp_path)


def test_the_image_to_begin_with_has_to_be_named() -> None:
    said = asked()
    assert said.returncode == 1
    assert "make awx-image BASE=docker.io/library/debian:13" in said.stderr
    assert "make awx-base makes one" in said.stderr


def test_an_unknown_choice_is_refused() -> None:
    said = asked(BASE="x", PCLUSTER="maybe")
    assert (said.returncode, said.stderr) == (1, "PCLUSTER=maybe is not known. Expected yes or no.\n")


def test_a_machine_without_podman_is_told_so(nothing_there: str) -> None:
    said = asked(path=nothing_there, BASE="x")
    assert (said.returncode, said.stderr.count("\n")) == (1, 1)
    assert "install the package podman" in said.stderr


def podman(*arguments: str) -> str:
    """What a podman that ends well prints."""
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def inside(image: str, *command: str, options: tuple[str, ...] = ()) -> str:
    """What a command in a container of the image prints. Nothing in there needs a network."""
    return podman("run", "--rm", "--network", "none", *options, image, *command)


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """An execution environment, made for this if a base is named."""
    if BUILT:
        yield BUILT
        return
    if not BASE:
        pytest.skip(NOT_ASKED)
    given = {**os.environ, "BASE": BASE, "IMAGE": NAME}
    build = ["/bin/bash", str(ROOT / "awx/image.sh"), "image"]
    done = subprocess.run(build, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stdout.splitlines()[-1].startswith(f"image={NAME} megabytes=")
    yield NAME
    podman("rmi", "--force", NAME)


@pytest.mark.parametrize(
    "command",
    ["ssh -V", "ip -V", "git --version", "rsync --version", "ansible-runner --version", "ansible-playbook --version"],
)
def test_a_command_of_the_controller_runs(image: str, command: str) -> None:
    inside(image, *command.split())


def test_who_has_no_name_makes_a_key(image: str) -> None:
    """Some clusters run each job as a user of their own choice, and `ssh-keygen` wants one with a name."""
    make = "ssh-keygen -q -t ed25519 -N '' -f /tmp/key && cat /tmp/key.pub"
    assert inside(image, "sh", "-c", make, options=NAMELESS).startswith("ssh-ed25519 ")


def test_python_is_current_and_has_what_the_controller_needs(image: str) -> None:
    code = "import boto3, botocore, aiobotocore, cyclonedx, squarify, dxf, sys; print(sys.version_info >= (3, 11))"
    assert inside(image, "python3", "-c", code).strip() == "True"
    inside(image, "python3", "-m", "pip", "check")


def test_nothing_of_a_build_host_comes_with_it(image: str) -> None:
    """What the base has is its own affair; of a Debian's smallest one none of this is."""
    packages = inside(image, "dpkg-query", "--show", "--showformat", "${Package}\\n").split()
    assert not {"e2fsprogs", "zstd", "gcc", "squashfs-tools"} & set(packages)
    assert "moto" not in inside(image, "python3", "-m", "pip", "list")


def test_the_collections_are_there(image: str) -> None:
    listed = inside(image, "ansible-galaxy", "collection", "list")
    for collection in ("amazon.aws", "ansible.posix", "community.general", "petal.hpc"):
        assert collection in listed
    assert "seed" in inside(image, "ansible-doc", "-t", "module", "petal.hpc.seed_info")


def test_a_playbook_runs_as_an_awx_job_does(image: str) -> None:
    """The seeds are a project that it only reads, and the user has no name."""
    project = (*NAMELESS, "--volume", f"{ROOT / 'seeds'}:/runner/project:ro", "--workdir", "/runner/project")
    said = inside(image, "ansible-playbook", "petal.hpc.validate_seed", "-e", "seed=quickstart.yaml", options=project)
    assert "quickstart: valid, local" in said
    assert "failed=0" in said


def test_modules_run_without_a_way_to_a_host(image: str) -> None:
    """As they do on the controller itself, with the image's ansible-core, which may be newer than a clone's."""
    said = inside(image, "ansible-playbook", "petal.hpc.list_volumes", options=("--user", "0"))
    assert "There is no snapshot yet" in said


def test_the_library_of_parallelcluster_is_used_where_it_was_asked_for(image: str) -> None:
    python = inside(image, "printenv", "PETAL_PCLUSTER_PYTHON").strip()
    if not python:
        pytest.skip("the image was built without PCLUSTER=yes")
    code = "import importlib.metadata as m, pcluster.schemas.cluster_schema; print(m.version('aws-parallelcluster'))"
    assert inside(image, python, "-c", code).strip() == "3.16.1"
    assert inside(image, "node", "--version").startswith("v")
