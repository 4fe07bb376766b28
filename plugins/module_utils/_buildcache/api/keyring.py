# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GnuPG's keyring of a Spack: whose signatures it takes, and the key that signs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._buildcache import keys, model
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.stores import (
    Store,
    cache_from,
    hand_over,
    last_line,
    open_store,
)
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.keys import Key
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import BuildcacheError, RegionError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host

#: Options of every module about caches.
KEYRING: dict[str, dict[str, Any]] = {
    "gnupghome": {"type": "path", "required": True},
}
#: Option of those that look at signatures.
TRUSTED: dict[str, dict[str, Any]] = {"trusted": {"type": "list", "elements": "str", "default": []}}


#: Where GnuPG has the secret parts of keys below its directory.
SECRETS = "private-keys-v1.d"
#: Where those of them are that no disk is to have: the first of these that is in memory.
MEMORY = ("/run", "/dev/shm")  # noqa: S108 - a directory there that is its owner's alone
#: How the files beside them begin that say who needs them, and the seconds after which one that says nothing is gone.
HOLDS = "petal-holds-"
GONE = 7 * 24 * 3600.0


class Keyring:
    """The keyring of GnuPG that a Spack has for itself: whoever's key is in it can sign what Spack installs."""

    def __init__(self, module: AnsibleModule, home: str) -> None:
        self._module = module
        self._home = home
        self._gpg = module.get_bin_path("gpg") or module.get_bin_path("gpg2") or ""
        self._copies = Path(home, "petal-copies")

    def held(self) -> Mapping[str, Key]:
        """Its keys, by fingerprint; none where there is no keyring yet."""
        if not Path(self._home).is_dir():
            return {}
        public = keys.parse_keys(self._run(["--list-keys"]))
        return keys.merge_secret(public, keys.parse_keys(self._run(["--list-secret-keys"])))

    def show(self, path: str) -> str:
        """What a file holds, as a colon listing; nothing is imported."""
        with self._scratch() as scratch:
            return self._run(["--import-options", "show-only", "--import", path], home=scratch, accept=(0, 2))

    def add(self, path: str, fingerprint: str) -> None:
        """Import what a file holds, and trust that key of it."""
        Path(self._home).mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._copies.open("a", encoding="utf-8") as stream:
            stream.write(f"{fingerprint}\n")
        self._run(["--import", path])
        self._run(["--import-ownertrust"], data=f"{fingerprint}:6:\n")

    def copies(self) -> frozenset[str]:
        """The keys that came from files of their own: with them nothing is lost."""
        return frozenset(self._copies.read_text(encoding="utf-8").split()) if self._copies.exists() else frozenset()

    def in_memory(self, holder: str) -> None:
        """Have the secret parts of what is imported from now on in memory: nothing is left of them once they are
        forgotten, or the host goes down.

        Those that are on the disk and came from files of their own make room for it.

        holder: who needs them, until that one forgets them.
        """
        place, memory = Path(self._home, SECRETS), self.memory()
        copies = self.copies()
        for key in self.held().values() if place.is_dir() and not place.is_symlink() else ():
            if key.secret and key.fingerprint in copies:
                self.delete(key.fingerprint)
        Path(self._home).mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone():
            with suppress(FileExistsError):
                memory.mkdir(mode=0o700)
            found = memory.lstat()
            owners = (os.geteuid(), Path(self._home).parent.stat().st_uid)
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners or found.st_mode & 0o077:
                raise BuildcacheError(
                    f"{memory} is not of this keyring's owner alone, and a signing key was to be there: remove it"
                )
            _hold(memory, holder).touch(mode=0o600)
        if place.is_symlink():
            # An installation that runs on by itself may be signing at this moment.
            if place.readlink() == memory:
                return
            place.unlink()
        elif place.is_dir():
            others = sorted(path.name for path in place.iterdir())
            if others:
                raise BuildcacheError(
                    f"{place} has secret keys on the disk ({others[0]}), beside which there is no place for one that "
                    "is to be in memory alone: delete them with gpg --delete-secret-and-public-keys"
                )
            place.rmdir()
        place.symlink_to(memory)

    def forget(self, holder: str) -> bool:
        """Take away the secret parts that are in memory alone, unless somebody else needs them; whether it did."""
        with self._alone():
            found = [path for path in map(self._below, MEMORY) if path.is_dir() and not path.is_symlink()]
            free = [path for path in found if not _holders(path) - {_hold(path, holder)}]
            if not self._module.check_mode:
                for path in found:
                    _hold(path, holder).unlink(missing_ok=True)
                for path in free:
                    shutil.rmtree(path)
                self.on_disk()
        return bool(free)

    def needed_by_others(self, holder: str) -> bool:
        """Whether somebody else at work on this host has a key in memory."""
        return any(_holders(path) - {_hold(path, holder)} for path in map(self._below, MEMORY) if path.is_dir())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from holding and forgetting meanwhile."""
        if not Path(self._home).is_dir():
            yield
            return
        handle = os.open(self._home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def on_disk(self) -> None:
        """Have them on the disk again, where nothing is in memory any more, as after a restart of the host."""
        place = Path(self._home, SECRETS)
        if place.is_symlink() and not place.exists():
            place.unlink()

    def memory(self) -> Path:
        """Directory for secret parts that no disk is to have, of this keyring alone. It need not be there yet."""
        mounts = Host(self._module.run_command).mounts()
        in_memory = {mount.target for mount in mounts if mount.fstype in ("tmpfs", "ramfs")}
        top = next((place for place in MEMORY if place in in_memory), "")
        if not top:
            raise BuildcacheError(f"none of {', '.join(MEMORY)} is in memory on this host: no place for a signing key")
        return self._below(top)

    def _below(self, top: str) -> Path:
        return Path(top, f"petal-keys-{hashlib.sha256(os.path.realpath(self._home).encode()).hexdigest()[:16]}")

    def delete(self, fingerprint: str) -> None:
        """Take a key out, its secret part too."""
        self._run(["--yes", "--delete-secret-and-public-key", fingerprint])

    def generate(self, user: str, secret_file: str) -> str:
        """Make a signing key outside of this keyring: its secret part in a file of its owner's, its public beside it.

        Returns its fingerprint.
        """
        target = Path(secret_file)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._scratch() as scratch:
            free = ["--pinentry-mode", "loopback", "--passphrase", ""]
            self._run([*free, "--quick-generate-key", user, "ed25519", "sign", "never"], home=scratch)
            fingerprint = keys.parse_keys(self._run(["--list-secret-keys"], home=scratch))[0].fingerprint
            secret = self._run([*free, "--armor", "--export-secret-keys", fingerprint], home=scratch)
            public = self._run(["--armor", "--export", fingerprint], home=scratch)
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as stream:
            stream.write(secret)
        Path(f"{secret_file}.pub").write_text(public, encoding="utf-8")
        return fingerprint

    def verify(self, texts: Mapping[str, bytes], trusted: Iterable[str]) -> dict[str, str]:
        """Why signed texts are not good enough, by their names; empty where they are.

        trusted: fingerprints; others that the keyring may hold do not count.
        """
        trusted = set(trusted)
        verdicts: dict[str, str] = {}
        waiting = sorted(texts)
        with tempfile.TemporaryDirectory(dir=self._module.tmpdir) as scratch, self._scratch() as empty:
            for name in waiting:
                Path(scratch, name).write_bytes(texts[name])
            home = self._home if Path(self._home).is_dir() else empty
            while waiting:
                # One process for all; it ends at the first signature that does not match, and is started again.
                paths = [str(Path(scratch, name)) for name in waiting]
                status = self._run(["--status-fd", "1", "--verify-files", *paths], home=home, accept=None)
                found = {Path(path).name: why for path, why in keys.parse_verification(status, trusted).items()}
                if not found:
                    raise BuildcacheError("gpg does not verify signatures on this host; is GnuPG 2 installed?")
                verdicts.update(found)
                waiting = [name for name in waiting if name not in verdicts]
        return verdicts

    def close(self) -> None:
        """End the agent, which would hold the mount namespace of a build, and leave the keyring to its Spack's user."""
        if not Path(self._home).is_dir():
            return
        gpgconf = self._module.get_bin_path("gpgconf")
        if gpgconf:
            self._module.run_command([gpgconf, "--homedir", self._home, "--kill", "gpg-agent"])
        hand_over(Path(self._home), Path(self._home).parent)
        for memory in map(self._below, MEMORY):
            if memory.is_dir() and not memory.is_symlink():
                hand_over(memory, Path(self._home).parent)

    @contextmanager
    def _scratch(self) -> Iterator[str]:
        # In /tmp, for the name of the agent's socket has a limit of about a hundred characters.
        home = tempfile.mkdtemp(prefix="petal-gpg-")
        try:
            yield home
        finally:
            gpgconf = self._module.get_bin_path("gpgconf")
            if gpgconf:
                self._module.run_command([gpgconf, "--homedir", home, "--kill", "all"])
            shutil.rmtree(home, ignore_errors=True)

    def _run(
        self,
        arguments: Sequence[str],
        home: str = "",
        data: str | None = None,
        accept: Sequence[int] | None = (0,),
    ) -> str:
        if not self._gpg:
            raise BuildcacheError("there is no gpg on this host: install GnuPG, which signs and verifies build caches")
        argv = [self._gpg, "--homedir", home or self._home, "--batch", "--no-tty", "--with-colons", *arguments]
        rc, stdout, stderr = self._module.run_command(argv, data=data, binary_data=True, environ_update={"LC_ALL": "C"})
        if accept is not None and rc not in accept:
            raise BuildcacheError(f"gpg {arguments[0]}: {last_line(stderr)}")
        return str(stdout)


def _hold(memory: Path, holder: str) -> Path:
    return memory / f"{HOLDS}{hashlib.sha256(holder.encode()).hexdigest()[:16]}"


def _holders(memory: Path) -> set[Path]:
    """The files of those that need what is there. What was killed forgets nothing, and does not count for ever."""
    return {path for path in memory.glob(f"{HOLDS}*") if time.time() - path.lstat().st_mtime < GONE}


def ensure_keys(module: AnsibleModule) -> dict[str, Any]:
    """Make a keyring hold the keys that are named, and no other.

    A key without a file is taken from what the caches publish, which is safe: nothing but its fingerprint decides.
    Returns the result of ``spack_buildcache_keys``. Raises BuildcacheError.
    """
    given = module.params
    keyring = Keyring(module, given["gnupghome"])
    stores = [open_store(module, cache_from(options), given["spack"] or "") for options in given["caches"]]
    os.umask(0o077)
    named = {keys.normal_fingerprint(entry["fingerprint"], entry["name"]): entry for entry in given["keys"]}
    if given["forget"]:
        forgotten = keyring.forget(given["holder"])
        keyring.close()
        return {"changed": forgotten}
    if not module.check_mode:
        if (given["signing_key"] or {}).get("content"):
            keyring.in_memory(given["holder"])
        else:
            keyring.on_disk()
    before = keyring.held()
    imported = []
    with tempfile.TemporaryDirectory(dir=module.tmpdir) as scratch:
        for fingerprint, entry in named.items():
            if fingerprint in before and not before[fingerprint].problem:
                continue
            copy = str(Path(scratch, fingerprint))
            where = _get_key(entry, fingerprint, stores, copy)
            keys.the_key(keyring.show(copy), fingerprint, entry["name"], where)
            imported.append(fingerprint)
            if not module.check_mode:
                keyring.add(copy, fingerprint)
    signing = _ensure_signing_key(module, keyring, before)
    stranger = keys.unwanted(before.values(), [*named, signing["fingerprint"]])
    removed = _superfluous(keyring, given, stranger) if given["exclusive"] else []
    if not module.check_mode:
        for fingerprint in removed:
            keyring.delete(fingerprint)
    keyring.close()
    trusted = list(dict.fromkeys(filter(None, [*named, signing["fingerprint"]])))
    after = [*trusted, *(key.fingerprint for key in stranger if key.fingerprint not in removed)]
    return {
        "changed": bool(imported or removed or signing["changed"]),
        "keys": [
            {"name": entry["name"], "fingerprint": key, "imported": key in imported} for key, entry in named.items()
        ],
        "removed": removed,
        "trusted": trusted,
        "signing_key": {key: signing[key] for key in ("fingerprint", "file", "public_file", "created")},
        "diff": {
            "before": "".join(f"{key}\n" for key in sorted(before)),
            "after": "".join(f"{key}\n" for key in sorted(after)),
        },
    }


def _superfluous(keyring: Keyring, given: Mapping[str, Any], stranger: Sequence[Key]) -> list[str]:
    """The fingerprints of keys that nobody named, which are to go. Raises BuildcacheError where one of them may not."""
    secret = [key.fingerprint for key in stranger if key.secret]
    kept = [fingerprint for fingerprint in secret if fingerprint not in keyring.copies()]
    if kept:
        raise BuildcacheError(
            f"{given['gnupghome']} holds the secret key {kept[0]}, which nobody named, and what it signs would be "
            "trusted: name it as signing key, or delete it with gpg --delete-secret-and-public-keys"
        )
    if secret and keyring.needed_by_others(given["holder"]):
        raise BuildcacheError(
            f"{given['gnupghome']} has the secret key {secret[0]} in memory for another build at work on this host, "
            "and what it signs would be trusted here: wait until that has ended, or name the same key. Where it was "
            f"killed, remove the directory in which the key is: {Path(given['gnupghome'], SECRETS).resolve()}"
        )
    return [key.fingerprint for key in stranger]


def _get_key(entry: Mapping[str, Any], fingerprint: str, stores: Sequence[Store], target: str) -> str:
    """Copy a key to a private file, so that what is looked at is what is imported; where it came from."""
    if entry.get("file"):
        try:
            shutil.copyfile(entry["file"], target)
        except OSError as error:
            raise BuildcacheError(f"key {entry['name']}: {entry['file']} cannot be read: {error.strerror}") from error
        return str(entry["file"])
    path = model.key_path(fingerprint)
    for store in stores:
        try:
            data = store.read([path]).get(path)
            if data is not None:
                path = model.single_blob(data.decode("utf-8", "replace"))
                data = store.read([path]).get(path)
        except RegionError:
            raise
        except BuildcacheError:
            # A cache that does not answer cannot be used either; another one may have the key.
            continue
        if data is not None:
            Path(target).write_bytes(data)
            return f"the key that {store.cache.url} publishes"
    looked = ", ".join(store.cache.url for store in stores) or "no cache"
    raise BuildcacheError(
        f"key {entry['name']} ({fingerprint}) was not found: no file is named for it, and it is not published by "
        f"{looked}. Name its file, or let the owner of the cache publish it"
    )


def _ensure_signing_key(module: AnsibleModule, keyring: Keyring, before: Mapping[str, Key]) -> dict[str, Any]:
    wanted = module.params["signing_key"] or {}
    file = wanted.get("file") or ""
    fingerprint = keys.normal_fingerprint(wanted["fingerprint"], "signing_key") if wanted.get("fingerprint") else ""
    result = {"fingerprint": fingerprint, "file": file, "public_file": "", "changed": False, "created": False}
    if wanted.get("content"):
        result["file"] = ""
        memory = keyring.memory()
        # Where it is forgotten even if this ends here.
        with tempfile.TemporaryDirectory(dir=memory.parent if module.check_mode else memory) as scratch:
            copy = Path(scratch, "key")
            copy.write_text(f"{wanted['content'].strip()}\n", encoding="utf-8")
            _take_signing_key(module, keyring, before, result, str(copy), "the signing key that was given")
    elif file:
        result["public_file"] = f"{file}.pub"
        if not Path(file).exists():
            _generate(module, keyring, result, wanted)
        if Path(file).exists():
            _import_signing_key(module, keyring, before, result)
    elif fingerprint and not (fingerprint in before and before[fingerprint].secret):
        raise BuildcacheError(f"the secret key {fingerprint} is not in {module.params['gnupghome']}; name its file")
    return result


def _generate(module: AnsibleModule, keyring: Keyring, result: dict[str, Any], wanted: Mapping[str, Any]) -> None:
    file = result["file"]
    if not wanted.get("create"):
        raise BuildcacheError(f"there is no signing key at {file}; the action init makes one where it is asked to")
    if result["fingerprint"]:
        raise BuildcacheError(f"there is no signing key at {file}; {result['fingerprint']} cannot be made again")
    result.update(changed=True, created=True)
    if not module.check_mode:
        keyring.generate(wanted.get("user") or "petal.hpc build cache", file)


def _import_signing_key(
    module: AnsibleModule, keyring: Keyring, before: Mapping[str, Key], result: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory(dir=module.tmpdir) as scratch:
        copy = str(Path(scratch, "key"))
        shutil.copyfile(result["file"], copy)
        _take_signing_key(module, keyring, before, result, copy, result["file"])


def _take_signing_key(
    module: AnsibleModule,
    keyring: Keyring,
    before: Mapping[str, Key],
    result: dict[str, Any],
    copy: str,
    where: str,
) -> None:
    """Import a signing key. copy: the file that has it; where: what to call it."""
    listing = keyring.show(copy)
    listed = keys.parse_keys(listing)
    fingerprint = result["fingerprint"] or (listed[0].fingerprint if listed else "")
    if not keys.the_key(listing, fingerprint, "signing_key", where).secret:
        raise BuildcacheError(f"{where} holds no secret key; expected the one that signs what is pushed")
    result["fingerprint"] = fingerprint
    if fingerprint not in before or not before[fingerprint].secret:
        result["changed"] = True
        if not module.check_mode:
            keyring.add(copy, fingerprint)
