"""The archive of the collection, on a controller with nothing but ansible-core: the provider local works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest
from kill_build import SEED
from playing import ROOT

#: What boto3 brings. The rest of requirements.txt is what ansible-core and the bill of materials stand on.
OF_AWS = {"boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"}
#: What python-dxf brings, which asks registries of container images.
OF_REGISTRIES = {"python-dxf", "certifi", "charset-normalizer", "idna", "requests", "tqdm", "www-authenticate"}
OF_ANSIBLE = {
    *("ansible-core", "cffi", "cryptography", "jinja2", "markupsafe", "packaging", "pycparser", "pyyaml", "resolvelib"),
    "typing-extensions",
}


class Controller:
    """A virtual environment, a home and a directory of collections of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.collections = path / "collections"
        venv.create(path / "venv", with_pip=True)

    def install(self, names: set[str]) -> None:
        """Packages of requirements.txt, by their digests."""
        locked = re.split(r"^(?=[a-z])", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE)
        wanted = [one for one in locked if re.match(r"[a-z0-9-]+", one) and one.partition("=")[0].strip() in names]
        (self.path / "requirements.txt").write_text("".join(wanted))
        pip = [str(self.path / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
        subprocess.run([*pip, "-r", str(self.path / "requirements.txt")], check=True, capture_output=True)

    def run(self, *argv: str) -> str:
        """What a command of this controller prints; no name of another Ansible reaches it."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTHONPATH"))}
        path = f"{self.path}/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        own = {"HOME": str(self.path), "PATH": path, "ANSIBLE_COLLECTIONS_PATH": str(self.collections)}
        done = subprocess.run(
            argv,
            cwd=self.path,
            env={**kept, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return f"{done.stdout}\nstatus {done.returncode}"

    def play(self, name: str, *arguments: str, **variables: object) -> str:
        extra: Sequence[str] = [part for key, value in variables.items() for part in ("-e", f"{key}={value}")]
        return self.run("ansible-playbook", f"petal.hpc.{name}", *extra, *arguments)


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """With ansible-core alone, and the collection from its archive."""
    found = Controller(tmp_path_factory.mktemp("bare"))
    found.install(OF_ANSIBLE)
    built = found.run("ansible-galaxy", "collection", "build", "--output-path", str(found.path), str(ROOT))
    assert built.endswith("status 0"), built
    [archive] = found.path.glob("petal-hpc-*.tar.gz")
    where = ["-p", str(found.collections), str(archive)]
    put = found.run("ansible-galaxy", "collection", "install", "--no-deps", *where)
    assert put.endswith("status 0"), put
    return found


def test_it_is_bare(controller: Controller) -> None:
    """That nothing of this machine's Ansible is there after all."""
    for name in ("boto3", "cyclonedx", "ansible_collections"):
        assert "No module named" in controller.run("python", "-c", f"import {name}")
    assert sys.prefix not in controller.run("python", "-c", "import ansible; print(ansible.__file__)")


def test_the_documentation_can_be_read(controller: Controller) -> None:
    for module in ("snapshot_info", "local_snapshot_remote", "aws_build_instance"):
        assert "\nOPTIONS" in controller.run("ansible-doc", f"petal.hpc.{module}")


def test_volumes_are_listed(controller: Controller, tmp_path: Path) -> None:
    listed = controller.play("list_volumes", store=tmp_path / "store")
    assert listed.endswith("status 0"), listed
    assert "There is no store at" in listed


@pytest.mark.parametrize("name", ["list_volumes", "cleanup"])
def test_whoever_asks_for_aws_is_told_what_is_missing(controller: Controller, name: str) -> None:
    asked = controller.play(name, provider="aws", region="us-east-1")
    assert not asked.endswith("status 0")
    assert "the provider aws needs the collection amazon.aws, which is not installed" in " ".join(asked.split())
    assert "Traceback" not in asked


def test_a_volume_is_built_and_deleted(controller: Controller, store: Path, tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text(SEED.replace("/shared", "/petal-bare-test"))
    refused = controller.play("build_volume", seed=seed, store=store)
    assert not refused.endswith("status 0")
    assert "python -m pip install cyclonedx-python-lib" in " ".join(refused.split()), refused
    lock = (ROOT / "requirements.txt").read_text()
    controller.install(set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE)) - OF_AWS - OF_REGISTRIES)
    for name, said in (("build_volume", "Built: snap-"), ("build_volume", "Found: snap-"), ("delete_volume", "")):
        done = controller.play(name, seed=seed, store=store)
        assert done.endswith("status 0"), done
        assert said in done
    assert list(store.glob("snapshots/*")) == []
