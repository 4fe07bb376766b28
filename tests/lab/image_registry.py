# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A private registry of container images on this machine, Debian's docker-registry with TLS and a login, and images."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
USER, PASSWORD = "lab", "images/are-private!"
_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {root}/storage}}
  delete: {{enabled: true}}
http:
  addr: {address}
  tls: {{certificate: {root}/server.crt, key: {root}/server.key}}
auth:
  htpasswd: {{realm: lab, path: {root}/htpasswd}}
"""


def debian(directory: Path, *packages: str) -> Path:
    """What Debian packages hold, unpacked below a directory and installed nowhere."""
    kept = directory / "debs"
    kept.mkdir(parents=True, exist_ok=True)
    if not all(list(kept.glob(f"{package}_*.deb")) for package in packages):
        fetch = ["apt-get", "download", "--quiet", "--quiet", *packages]
        # A machine that has just been made has no lists.
        if subprocess.run(fetch, cwd=kept, capture_output=True, check=False).returncode != 0:
            subprocess.run(["apt-get", "update", "--quiet", "--quiet"], check=True, capture_output=True)
            subprocess.run(fetch, cwd=kept, check=True, capture_output=True)
    for package in packages:
        (deb,) = kept.glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "--extract", deb, directory / "root"], check=True)
    return directory / "root"


def tools() -> None:
    """Install what brings images onto volumes, as a build does."""
    command = [str(Path(sys.executable).with_name("ansible")), "localhost", "-m", "ansible.builtin.include_role"]
    task = [*command, "-a", "name=petal.hpc.containers tasks_from=packages.yml"]
    done = subprocess.run(task, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def bcrypted(password: str) -> str:
    """A password as htpasswd files have it."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    return str(crypt(password.encode(), b"$2b$05$abcdefghijklmnopqrstuu").decode())


@dataclass
class Registry:
    """root: its files. address: HOST:PORT. auth_file: with its login; environment: what makes programs trust it."""

    root: Path
    address: str

    @property
    def auth_file(self) -> Path:
        return self.root / "auth.json"

    @property
    def environment(self) -> dict[str, str]:
        certificate = str(self.root / "server.crt")
        return {"SSL_CERT_FILE": certificate, "REQUESTS_CA_BUNDLE": certificate}

    def log_in(self, user: str = USER, password: str = PASSWORD) -> None:
        """Write an auth file with a login, whether the registry takes it or not."""
        auth = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.auth_file.write_text(json.dumps({"auths": {self.address: {"auth": auth}}}))

    def push(self, archive: Path, repository: str, tag: str) -> str:
        """Push an OCI archive; the digest of its manifest."""
        target = f"docker://{self.address}/{repository}:{tag}"
        copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests"]
        copy += ["--dest-creds", f"{USER}:{PASSWORD}", f"oci-archive:{archive}", target]
        subprocess.run(copy, env={**os.environ, **self.environment}, check=True)
        return digest_of(archive)


def digest_of(archive: Path) -> str:
    """The digest of the image in an archive."""
    with tarfile.open(archive) as tar:
        index = json.load(tar.extractfile("index.json") or io.BytesIO())
    return str(index["manifests"][0]["digest"])


@contextlib.contextmanager
def serving(
    root: Path, names: tuple[str, ...] = (), address: str = "", users: Mapping[str, str] | None = None
) -> Iterator[Registry]:
    """A registry until the end of the block. names: of hosts in its certificate. users: more logins."""
    binary = debian(root / "debian", "docker-registry") / "usr/bin/docker-registry"
    if not address:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
    alternatives = ",".join([f"IP:{address.rpartition(':')[0]}", *(f"DNS:{name}" for name in names)])
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=lab registry"]
    request += ["-addext", f"subjectAltName={alternatives}"]
    request += ["-keyout", str(root / "server.key"), "-out", str(root / "server.crt")]
    subprocess.run(request, check=True, capture_output=True)
    logins = {USER: PASSWORD, **(users or {})}
    (root / "htpasswd").write_text("".join(f"{user}:{bcrypted(word)}\n" for user, word in logins.items()))
    (root / "config.yml").write_text(_CONFIG.format(root=root, address=address))
    with (root / "log").open("wb") as log:
        process = subprocess.Popen([binary, "serve", root / "config.yml"], stdout=log, stderr=log)
    registry = Registry(root, address)
    registry.log_in()
    try:
        _until_it_answers(process, address, root / "log")
        yield registry
    finally:
        process.terminate()
        process.wait(timeout=30)


def _until_it_answers(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    host, _colon, port = address.rpartition(":")
    for _try in range(150):
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            return
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"the registry does not answer at {address}: {log.read_text()}")


# -- images -----------------------------------------------------------------------------------------------------------

#: Programs of busybox that a small image has.
APPLETS = ("sh", "cat", "echo", "env", "id", "ls", "pwd", "sleep", "sort", "test", "wc")
#: A program that says what it was given and where it is.
TOOL = """\
#!/bin/sh
case ${{1-}} in
    --version) echo "{name} {version}" ;;
    --fail) exit "$2" ;;
    --stdin) sort ;;
    *)
        printf '%s\\n' "{name} {version}" "pwd=$PWD" "greeting=${{GREETING-}}" "count=$#"
        for word; do echo "<$word>"; done
        ;;
esac
"""


def rootfs(root: Path, busybox: Path, tools: Mapping[str, str]) -> Path:
    """A small root file system. tools: versions by names of programs in /opt/tools/bin."""
    for directory in ("bin", "etc", "opt/tools/bin", "proc", "sys", "dev", "tmp", "var/tmp", "root", "var/lib/dpkg"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    shutil.copy2(busybox, root / "bin/busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\n')
    (root / "var/lib/dpkg/status").write_text(
        "Package: busybox-static\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1.35.0-4+b3\n\n"
    )
    for name, version in tools.items():
        path = root / "opt/tools/bin" / name
        path.write_text(TOOL.format(name=name, version=version))
        path.chmod(0o755)
    return root


def archive(
    target: Path, tree: Path, variables: Mapping[str, str], labels: Mapping[str, str], architecture: str = "amd64"
) -> Path:
    """An OCI archive with one image of one layer, the same bytes for the same tree."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(tree.rglob("*")):
            entry = tar.gettarinfo(path, str(path.relative_to(tree)))
            entry.uid = entry.gid = entry.mtime = 0
            entry.uname = entry.gname = ""
            if entry.isreg():
                with path.open("rb") as stream:
                    tar.addfile(entry, stream)
            else:
                tar.addfile(entry)
    packed = gzip.compress(layer.getvalue(), mtime=0)
    blobs: dict[str, bytes] = {}

    def blob(content: bytes, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": [f"{name}={value}" for name, value in variables.items()], "Labels": dict(labels)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(json.dumps(config, sort_keys=True).encode(), "config.v1+json"),
        "layers": [blob(packed, "layer.v1.tar+gzip")],
    }
    listed = blob(json.dumps(manifest, sort_keys=True).encode(), "manifest.v1+json")
    index = {"schemaVersion": 2, "manifests": [listed]}
    with tarfile.open(target, "w") as tar:
        for name in ("blobs", "blobs/sha256"):
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        contents = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}
        contents.update({f"blobs/sha256/{digest}": content for digest, content in blobs.items()})
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return target


def tools_image(directory: Path, name: str, tools: Mapping[str, str], **more: Any) -> Path:
    """An OCI archive with such programs, and a busybox."""
    busybox = debian(directory / "debian", "busybox-static") / "bin/busybox"
    tree = rootfs(directory / f"{name}.rootfs", busybox, tools)
    variables = {"PATH": "/opt/tools/bin:/bin", "GREETING": "hello from the image"}
    labels = {"org.opencontainers.image.description": f"Tools of the lab: {', '.join(tools)}"}
    return archive(directory / f"{name}.tar", tree, {**variables, **more.pop("env", {})}, labels, **more)


def main(words: list[str]) -> int:
    """DIRECTORY NAME PROGRAM=VERSION…: an archive NAME.tar with such programs, and beside it NAME.digest."""
    directory, name = Path(words[0]), words[1]
    shutil.rmtree(directory / f"{name}.rootfs", ignore_errors=True)
    file = tools_image(directory, name, dict(word.split("=", 1) for word in words[2:]))
    (directory / f"{name}.digest").write_text(digest_of(file))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
