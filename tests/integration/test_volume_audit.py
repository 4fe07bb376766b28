"""volume_audit on real trees: keys and packages as the tools make them, and the Python that runs this."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from modules import fail_module, run_module
from playing import play

from ansible_collections.petal.hpc.plugins.module_utils._containers.inside_api import inspected
from ansible_collections.petal.hpc.plugins.plugin_utils.sbom import volume_sbom

PACKAGES: list[dict[str, Any]] = [
    {"name": "six", "version": "1.17.0", "manager": "pypi", "hash": None, "license": "MIT"},
    {
        "name": "gcc-runtime",
        "version": "12",
        "manager": "spack",
        "hash": "a",
        "license": "GPL-3.0-or-later WITH GCC-exception-3.1",
    },
]


def write_bom(directory: Path, packages: list[dict[str, Any]], images: Sequence[dict[str, Any]] = ()) -> Path:
    """A bill of materials, by what makes a volume's."""
    manifest = {
        "fingerprint": "sha256:" + "a" * 64,
        "build_id": "b",
        "name": "x",
        "created": "2026-01-31T12:00:00Z",
        "packages": packages,
        "images": images,
    }
    path = directory / "sbom.cdx.json"
    path.write_text(volume_sbom(manifest))
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory that stands for a volume."""
    path = tmp_path / "volume"
    path.mkdir()
    return path


@pytest.fixture
def sbom(tmp_path: Path) -> Path:
    """Of open software."""
    return write_bom(tmp_path, PACKAGES)


def audit(tree: Path, sbom: Path, **options: Any) -> dict[str, Any]:
    return run_module("volume_audit", path=tree, sbom=sbom, **options)


def put(tree: Path, path: str, data: bytes) -> Path:
    target = tree / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return target


def ssh_key(path: Path, *options: str) -> bytes:
    """A real key at a path, its public half beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", path, *options], check=True)
    return path.read_bytes()


def test_a_clean_volume_is_public(tree: Path, sbom: Path) -> None:
    put(tree, "bin/tool", b"\x7fELF" + bytes(100))
    ssh_key(tree / "x")
    (tree / "x").unlink()  # the public half stays
    put(tree, "lib/certifi/cacert.pem", Path(sysconfig.get_path("purelib"), "certifi/cacert.pem").read_bytes())
    for check in (True, False):
        found = audit(tree, sbom, check=check)
        assert (found["changed"], found["tag"], found["sensitive"]) == (False, "public", [])
        assert found["licences"] == {"open": 2, "not_open": [], "unknown": []}
    assert found["files"] == 3
    assert "warnings" not in found


def test_real_keys_are_found_whatever_they_are_called(tree: Path, sbom: Path) -> None:
    ssh_key(tree / "home/jo/deploy", "-t", "ed25519")
    ssh_key(tree / "etc/old.conf.bak", "-t", "rsa", "-m", "PEM")
    ssh_key(tree / "etc/new.conf", "-t", "ecdsa", "-m", "PKCS8")
    ssh_key(tree / "home/jo/.ssh/work", "-t", "ed25519")
    put(tree, "home/jo/.bash_history", b"ls\n")
    put(tree, "home/jo/.zsh_history", b"")  # an empty one tells nothing
    found = audit(tree, sbom)
    assert {find["path"]: find["why"] for find in found["sensitive"]} == {
        "etc/new.conf": "private key",
        "etc/old.conf.bak": "private key",
        "home/jo/.bash_history": "history of commands",
        "home/jo/.ssh/work": "settings and keys of SSH",
        "home/jo/deploy": "private key",
    }
    assert found["verdict"]["level"] == "private"
    assert found["tag"].startswith("private: etc/new.conf is a private key")
    assert len(found["warnings"]) == 1
    assert "etc/new.conf" in str(found["warnings"][0])
    accepted = audit(tree, sbom, accept=["etc/*", "home/jo/*"])
    assert (accepted["tag"], len(accepted["accepted"])) == ("public", 5)


@pytest.mark.skipif(shutil.which("gpg") is None, reason="there is no gpg here")
def test_exported_pgp_keys(tree: Path, sbom: Path, tmp_path: Path) -> None:
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"]
    try:
        subprocess.run(
            [*gpg, "--quick-gen-key", "x@example.org", "default", "default", "0"], check=True, capture_output=True
        )
        for name, export in {
            "secret.gpg": ["--export-secret-keys"],
            "secret.asc": ["--armor", "--export-secret-keys"],
            "public.gpg": ["--export"],
            "public.asc": ["--armor", "--export"],
        }.items():
            put(tree, name, subprocess.run([*gpg, *export], check=True, capture_output=True).stdout)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, capture_output=True)
    shutil.copytree(home, tree / ".gnupg", ignore=shutil.ignore_patterns("S.*"))
    paths = [find["path"] for find in audit(tree, sbom)["sensitive"]]
    assert {"secret.gpg", "secret.asc"} <= set(paths)
    assert [path for path in paths if path.startswith(".gnupg/private-keys-v1.d/")]
    assert not [path for path in paths if "public" in path or "pubring" in path]


def test_keys_of_a_wheels_own_tests_are_told_apart_from_planted_ones(tree: Path, sbom: Path) -> None:
    site = tree / "envs/a/1/lib/python3.11/site-packages"
    key = ssh_key(site / "lib/tests/server.key", "-t", "rsa", "-m", "PEM")
    digest = base64.urlsafe_b64encode(hashlib.sha256(key).digest()).rstrip(b"=").decode()
    put(site, "lib-1.dist-info/RECORD", f"lib/tests/server.key,sha256={digest},{len(key)}\n".encode())
    found = audit(tree, sbom)
    assert (found["tag"], found["test_data_count"]) == ("public", 1)
    assert found["test_data"][0]["path"].endswith("lib/tests/server.key")

    ssh_key(site / "lib/tests/planted.key", "-t", "rsa", "-m", "PEM")
    (site / "lib/tests/server.key").write_bytes(key.replace(b"RSA PRIVATE", b"PRIVATE"))
    found = audit(tree, sbom)
    assert sorted(Path(find["path"]).name for find in found["sensitive"]) == ["planted.key", "server.key"]


def test_keys_of_a_spack_package_are_told_apart_from_planted_ones(tree: Path, sbom: Path) -> None:
    prefix = tree / "spack/opt/spack/linux/openssl-3-abc"
    key = ssh_key(prefix / "share/openssl/demos/certs/k.pem", "-t", "rsa", "-m", "PEM")
    digest = base64.b32encode(hashlib.sha1(key).digest()).decode()
    manifest = {"/somewhere/else/openssl-3-abc/share/openssl/demos/certs/k.pem": {"hash": digest}}
    put(prefix, ".spack/install_manifest.json", json.dumps(manifest).encode())
    assert audit(tree, sbom)["tag"] == "public"
    ssh_key(prefix / "share/openssl/demos/certs/other.pem", "-t", "rsa", "-m", "PEM")
    ssh_key(prefix / "etc/k.pem", "-t", "rsa", "-m", "PEM")
    paths = [find["path"].rpartition("abc/")[2] for find in audit(tree, sbom)["sensitive"]]
    assert paths == ["etc/k.pem", "share/openssl/demos/certs/other.pem"]


def test_the_environment_of_a_spack_build_may_hold_credentials(tree: Path, sbom: Path) -> None:
    env = "AWS_ACCESS_KEY_ID=%s; export AWS_ACCESS_KEY_ID\nAWS_SECRET_ACCESS_KEY=%s; export AWS_SECRET_ACCESS_KEY\n"
    put(tree, "spack/opt/zlib/.spack/spack-build-env.txt", (env % ("AKIA" + "Q" * 16, "aB3/" * 10)).encode())
    assert audit(tree, sbom)["sensitive"][0]["why"] == "credentials of AWS"


def test_the_python_that_runs_this_has_no_false_find(sbom: Path) -> None:
    """Thousands of packages' files; what is found are two keys that moto's proxy carries outside its tests."""
    found = audit(Path(sysconfig.get_path("purelib")).parents[2], sbom)
    assert found["files"] > 5000
    assert [find for find in found["sensitive"] if "/moto/moto_proxy/" not in find["path"]] == []


def test_links_and_mounts_are_not_followed(tree: Path, sbom: Path, tmp_path: Path) -> None:
    ssh_key(tmp_path / "outside/key")
    (tree / "link").symlink_to(tmp_path / "outside")
    (tree / "id_rsa").symlink_to(tmp_path / "outside/key")
    os.mkfifo(tree / "server.pem")
    assert audit(tree, sbom)["tag"] == "public"
    if os.geteuid() != 0:
        pytest.skip("mounts need root")
    (tree / "other").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "petal-test", tree / "other"], check=True)
    try:
        ssh_key(tree / "other/key")
        assert audit(tree, sbom)["tag"] == "public"
    finally:
        subprocess.run(["umount", tree / "other"], check=True)


def test_names_that_are_no_text_are_one_line_of_it(tree: Path, sbom: Path) -> None:
    ssh_key(tree / "a")
    (tree / "a").rename(tree / os.fsdecode(b"\xff\n{{ 7 * 7 }};x"))
    found = audit(tree, sbom)
    assert found["sensitive_count"] == 1
    assert "\n" not in found["tag"]
    assert "\n" not in found["sensitive"][0]["path"]


@pytest.mark.parametrize(
    ("licence", "level", "reason"),
    [
        ("LicenseRef-Nvidia-Proprietary", "accounts", "cuda has licence LicenseRef-Nvidia-Proprietary"),
        ("NVIDIA Software License Agreement", "accounts", "cuda has licence NVIDIA Software License Agreement"),
        ("NOASSERTION", "accounts", "cuda has licence NOASSERTION, which is not known"),
        ("", "accounts", "cuda has no known licence"),
        ("MIT OR LicenseRef-Nvidia-Proprietary", "public", ""),
        ("LicenseRef-OSI-Approved", "public", ""),
        ("(MIT) AND (BSD-3-Clause OR Apache-2.0)", "public", ""),
    ],
)
def test_licences(tree: Path, tmp_path: Path, licence: str, level: str, reason: str) -> None:
    cuda = {"name": "cuda", "version": "12", "manager": "spack", "hash": "b", "license": licence}
    found = audit(tree, write_bom(tmp_path, [*PACKAGES, cuda]))
    assert found["verdict"] == {"level": level, "reasons": [reason] if reason else []}
    assert len(found["licences"]["not_open"] + found["licences"]["unknown"]) == (level == "accounts")


def test_licences_that_somebody_knows(tree: Path, tmp_path: Path) -> None:
    packages: list[dict[str, Any]] = [
        {"name": "hdf5", "version": "1", "manager": "spack", "hash": "a", "license": "custom"},
        {"name": "openmpi", "version": "5", "manager": "spack", "hash": "b", "license": "custom"},
        {"name": "ours", "version": "1", "manager": "spack", "hash": "c", "license": ""},
        {"name": "theirs", "version": "1", "manager": "spack", "hash": "d", "license": "LicenseRef-X-Proprietary"},
        # The name of a package of Spack's, from elsewhere.
        {"name": "petsc", "version": "1", "manager": "pypi", "hash": None, "license": None},
    ]
    found = audit(tree, write_bom(tmp_path, packages))["licences"]
    assert (found["open"], [one["name"] for one in found["unknown"]]) == (2, ["ours", "petsc"])
    stated = {"ours": "MIT", "petsc": "BSD-2-Clause", "theirs": "MIT"}
    found = audit(tree, write_bom(tmp_path, packages), known_licences=stated)
    assert [one["name"] for one in found["licences"]["not_open"]] == ["theirs"]
    assert (found["licences"]["open"], found["licences"]["unknown"]) == (4, [])


def test_compilers_of_vendors_are_not_to_be_published(tree: Path, tmp_path: Path) -> None:
    nvhpc = {"name": "nvhpc", "version": "24.5", "manager": "spack", "hash": "b", "license": "MIT"}
    system = [{"name": "cce", "version": "17.0.1"}, {"name": "gcc", "version": "12.2.0"}]
    found = audit(tree, write_bom(tmp_path, [*PACKAGES, nvhpc]), system=system, known_licences={"nvhpc": "MIT"})
    assert found["verdict"] == {
        "level": "accounts",
        "reasons": [
            "nvhpc is NVIDIA's and not to be published",
            "cce@17.0.1 built some of it, and what is HPE's is not to be published",
        ],
    }
    assert found["compilers"] == ["cce@17.0.1"]
    assert found["licences"]["not_open"][0]["licence"] == "LicenseRef-NVIDIA-Proprietary"


PLAY = """\
- hosts: localhost
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    software_volume_plan:
      {fingerprint: "sha256:%s", mount_dir: "%s", build_id: b, name: x, started: "", inputs: {},
       seed: {cluster: {os: a, architecture: a}}}
  tasks:
    - ansible.builtin.include_role: {name: petal.hpc.software_volume, tasks_from: manifest}
      vars: {software_volume_versions: {}}
    - ansible.builtin.debug: {msg: "{{ software_volume_sharing }}"}
"""


def test_a_build_goes_on_with_a_warning(tree: Path, tmp_path: Path) -> None:
    (tree / ".petal").mkdir()
    ssh_key(tree / "etc/deploy")
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAY % ("a" * 64, tree))
    done = play(str(playbook))
    assert done.rc == 0, done.output
    assert "this volume has sensitive files and is to stay private: etc/deploy (private key)" in " ".join(
        done.output.split()
    )
    assert "private: etc/deploy is a private key" in done.output
    manifest = json.loads((tree / ".petal/manifest.json").read_text())
    assert manifest["sharing"]["sensitive"] == [{"path": "etc/deploy", "why": "private key"}]


def test_a_build_names_the_vendors_compiler_that_it_was_made_with(tree: Path, tmp_path: Path) -> None:
    (tree / ".petal").mkdir()
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAY % ("a" * 64, tree))
    cce = {"name": "cce", "version": "17", "hash": "c" * 32, "prefix": "/opt/cray", "origin": "external", "spec": "cce"}
    done = play(str(playbook), "-e", json.dumps({"spack_result": {"packages": [cce], "finished": True}}))
    assert done.rc == 0, done.output
    assert "accounts: cce@17 built some of it, and what is HPE's is not to be published" in done.output
    manifest = json.loads((tree / ".petal/manifest.json").read_text())
    assert manifest["sharing"]["level"] == "accounts"


def test_clear_errors(tree: Path, sbom: Path, tmp_path: Path) -> None:
    assert "mount the volume there first" in fail_module("volume_audit", path=tree / "none", sbom=sbom)
    assert "cannot be read: No such file" in fail_module("volume_audit", path=tree, sbom=tmp_path / "none")
    for text, said in {"{": "is not JSON", "[]": "no bill of materials", "[" * 9999: "is not JSON"}.items():
        (tmp_path / "bad").write_text(text)
        assert said in fail_module("volume_audit", path=tree, sbom=tmp_path / "bad")


@pytest.fixture
def many(tree: Path) -> Iterator[Path]:
    """Ten thousand files as software has them."""
    for number in range(100):
        directory = tree / f"spack/opt/pkg{number}/lib"
        directory.mkdir(parents=True)
        for index in range(100):
            (directory / f"f{index}{['.py', '.h', '.so', '.txt', ''][index % 5]}").write_bytes(b"x" * 200)
    yield tree


def test_many_files_take_seconds(many: Path, sbom: Path) -> None:
    started = time.monotonic()
    found = audit(many, sbom)
    assert (found["files"], found["files_read"]) == (10000, 4000)
    assert time.monotonic() - started < 20


def test_what_is_inside_of_images_counts_for_the_volume(tree: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    ssh_key(root / "etc/ssh/ssh_host_ed25519_key", "-t", "ed25519")
    put(root, "etc/shadow", b"root:*:19000:0:99999:7:::\n")
    put(root, "lib/apk/db/installed", b"P:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\n\nP:odd\nV:1\nL:custom\n")
    image = {
        "name": "samtools",
        "version": "1.20",
        "image": "docker://registry.example.org/samtools:1.20",
        "digest": "sha256:" + "d" * 64,
        "labels": {"org.opencontainers.image.licenses": "MIT"},
        **inspected(root),
    }
    sbom = write_bom(tmp_path, PACKAGES, [image])
    found = audit(tree, sbom, images=[image])
    assert found["tag"] == "private: samtools:/etc/ssh/ssh_host_ed25519_key is a private key"
    accepted = audit(tree, sbom, images=[image], accept=["samtools:/etc/ssh/*"])
    assert accepted["tag"] == "accounts: samtools: the licence of odd in it is not known"
    known = audit(tree, sbom, images=[image], accept=["samtools:*"], known_licences={"samtools:odd": "ISC"})
    assert (known["tag"], known["licences"]["open"]) == ("public", 5)
    assert "is not as the manifest has it" in fail_module("volume_audit", path=tree, sbom=sbom, images=[{"a": 1}])
