# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an attacker makes: snapshots of any content, changed archives, signatures of the wrong kind.

    forge.py put STORE [--seed FILE] [--id ID] [--set JSON] [--file PATH=FILE…] [--corrupt]
                                                                          a snapshot, with right digests
    forge.py key FILE                                                     a key without a passphrase
    forge.py sign STORE ID KEY [--namespace NAME] [--over FILE]           its signature beside the record
    forge.py site FILE [KEY…] [--signer JSON] [--set JSON]                extra variables of a site that trusts the keys
    forge.py alter EXPORT PATH=FILE…                                      other files in an export, digests right again
    forge.py run-as UID COMMAND…                                          as somebody else, without any privilege

The image of a snapshot is a real ext4 with a manifest and whatever ``--file`` puts there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT / "tests" / "lab")]

from stored import FINGERPRINT, ID, record_of

from ansible_collections.petal.hpc.plugins.plugin_utils.seed_info import describe

IMAGE = "volume.img"
NAMESPACE = "snapshot@petal.hpc"


def run(*command: str | Path, **options: Any) -> str:
    """Run a command that has to succeed; its output."""
    done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True, **options)
    return str(done.stdout)


def packed(image: Path) -> bytes:
    """An image as the local provider packs it."""
    archive = image.with_suffix(".tar.zst")
    compress = ["--sparse", "--use-compress-program=zstd -T0 -3"]
    run("tar", "--create", *compress, "--directory", image.parent, "--file", archive, image.name)
    return archive.read_bytes()


def write_into(image: Path, files: Mapping[str, Path]) -> None:
    """Put files into an ext4 without mounting it; executable, and root's."""
    commands = []
    for target, source in files.items():
        parents = [str(parent) for parent in Path(target).parents if str(parent) != "."]
        commands += [f"mkdir /{parent}" for parent in reversed(parents)]
        commands += [f"rm /{target}", f"write {source.resolve()} /{target}", f"sif /{target} mode 0100755"]
    subprocess.run(
        ["debugfs", "-w", "-f", "-", str(image)], input="\n".join(commands), text=True, capture_output=True, check=True
    )
    # What debugfs leaves behind would be found; the attacker wants it clean. 1: something was mended.
    checked = subprocess.run(["e2fsck", "-f", "-y", str(image)], capture_output=True, text=True, check=False)
    if checked.returncode > 1:
        raise SystemExit(checked.stdout + checked.stderr)


def corrupt(image: Path) -> None:
    """Count links of directories wrongly, which the kernel would believe."""
    commands = "set_inode_field <2> links_count 77\nset_inode_field <11> links_count 99\n"
    subprocess.run(["debugfs", "-w", "-f", "-", str(image)], input=commands, text=True, capture_output=True, check=True)


def put(
    store: Path, seed: Path | None, snapshot_id: str, different: Mapping[str, Any], files: Sequence[str], wrong: bool
) -> None:
    """A snapshot of a small volume, as if it had been built there. wrong: its file system has errors."""
    described = describe({"path": str(seed.resolve())}, str(seed.resolve().parent)) if seed else None
    fingerprint = different.get("fingerprint") or (described["fingerprint"] if described else FINGERPRINT)
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch, IMAGE)
        with image.open("wb") as stream:
            stream.truncate(32 * 1024**2)
        run("mkfs.ext4", "-q", "-F", image)
        manifest = Path(scratch, "manifest.json")
        manifest.write_text(json.dumps({"schema": 1, "fingerprint": fingerprint, "modules": []}))
        given = dict(text.split("=", 1) for text in files)
        write_into(image, {".petal/manifest.json": manifest, **{name: Path(file) for name, file in given.items()}})
        if wrong:
            corrupt(image)
        data = packed(image)
    of_seed = {}
    if described:
        cluster = described["seed"]["cluster"]
        of_seed = {"name": described["name"], "os": cluster["os"], "architecture": cluster["architecture"]}
    record = record_of(data, snapshot_id, **{**of_seed, **different, "fingerprint": fingerprint})
    entry = store / "snapshots" / snapshot_id
    entry.mkdir(parents=True)
    (entry / "volume.tar.zst").write_bytes(data)
    (entry / "snapshot.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")


def fingerprint_of(key: Path) -> str:
    """A key's fingerprint."""
    return run("ssh-keygen", "-l", "-E", "sha256", "-f", key).split()[1]


def sign(store: Path, snapshot_id: str, key: Path, namespace: str, over: Path | None) -> None:
    """A signature beside a record, of that record or of another file."""
    entry = store / "snapshots" / snapshot_id
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, "record")
        copy.write_bytes((over or entry / "snapshot.json").read_bytes())
        run("ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", key, copy)
        with (entry / "snapshot.json.sig").open("a") as stream:
            stream.write(copy.with_suffix(".sig").read_text())


def site(file: Path, keys: Sequence[Path], signer: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
    """Extra variables of a site."""
    signers = [{"name": key.name, "key": fingerprint_of(key), **signer} for key in keys]
    file.write_text(json.dumps({"petal_trusted_signers": signers, **variables}))


def alter(export: Path, files: Sequence[str]) -> None:
    """Other files in an export. Record and digests are made right again, a signature stays as it is."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        names = run("tar", "--list", "--file", export).split()
        run("tar", "--extract", "--file", export, "--directory", place)
        run("tar", "--extract", "--use-compress-program=zstd", "--directory", place, "--file", place / "volume.tar.zst")
        write_into(place / IMAGE, {name: Path(file) for name, file in (text.split("=", 1) for text in files)})
        data = packed(place / IMAGE)
        (place / "volume.tar.zst").write_bytes(data)
        record = json.loads((place / "snapshot.json").read_text())
        record.update(sha256=hashlib.sha256(data).hexdigest(), stored_bytes=len(data))
        (place / "snapshot.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
        sums = "".join(
            f"{hashlib.sha256((place / name).read_bytes()).hexdigest()}  {name}\n" for name in names if name != "SHA256"
        )
        (place / "SHA256").write_text(sums)
        run("tar", "--create", "--format=ustar", "--owner=0", "--group=0", "--mode=0644", "--mtime=@0",
            "--directory", place, "--file", export.resolve(), *names)  # fmt: skip


def run_as(uid: int, command: Sequence[str]) -> None:
    """In place of this process."""
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    os.execvp(command[0], list(command))


def main() -> None:
    if sys.argv[1:2] == ["run-as"]:
        run_as(int(sys.argv[2]), sys.argv[3:])
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("put")
    one.add_argument("store", type=Path)
    one.add_argument("--seed", type=Path)
    one.add_argument("--id", default=ID)
    one.add_argument("--set", type=json.loads, default={})
    one.add_argument("--file", action="append", default=[])
    one.add_argument("--corrupt", action="store_true")
    one = commands.add_parser("key")
    one.add_argument("key", type=Path)
    one = commands.add_parser("sign")
    one.add_argument("store", type=Path)
    one.add_argument("id")
    one.add_argument("key", type=Path)
    one.add_argument("--namespace", default=NAMESPACE)
    one.add_argument("--over", type=Path)
    one = commands.add_parser("site")
    one.add_argument("file", type=Path)
    one.add_argument("keys", type=Path, nargs="*")
    one.add_argument("--signer", type=json.loads, default={})
    one.add_argument("--set", type=json.loads, default={})
    one = commands.add_parser("alter")
    one.add_argument("export", type=Path)
    one.add_argument("files", nargs="+")
    given = parser.parse_args()
    if given.command == "put":
        put(given.store, given.seed, given.id, given.set, given.file, given.corrupt)
    elif given.command == "key":
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", given.key.name, "-f", given.key)
    elif given.command == "sign":
        sign(given.store, given.id, given.key, given.namespace, given.over)
    elif given.command == "site":
        site(given.file, given.keys, given.signer, given.set)
    else:
        alter(given.export, given.files)


if __name__ == "__main__":
    main()
