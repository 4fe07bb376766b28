# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes a build cache, through Spack where Spack has a command for it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._buildcache import decide, history, keys, model
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api import log
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.inspector import (
    Inspector,
    fingerprints,
    nothing_there,
    read_index,
    read_lock,
)
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.keyring import Keyring
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.own import OwnCache
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.stores import (
    cache_from,
    hand_over,
    open_store,
    region_environment,
)
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import (
    BuildcacheError,
    Contents,
    Lock,
    Package,
)
from ansible_collections.petal.hpc.plugins.module_utils._core.ages import parse_age


class Buildcache:
    """Changes one cache, through Spack where Spack has a command for it."""

    def __init__(self, module: AnsibleModule) -> None:
        given = module.params
        self._module = module
        self._cache = cache_from(given)
        self._store = open_store(module, self._cache, given["spack"])
        self._keyring = Keyring(module, given["gnupghome"])
        self._signing_key = keys.normal_fingerprint(given["signing_key"], "signing_key") if given["signing_key"] else ""
        trusted = [*fingerprints(given["trusted"]), self._signing_key]
        self._inspector = Inspector(self._keyring, filter(None, trusted))

    def ensure(self) -> dict[str, Any]:
        """Reach the module's ``state``; its result. Raises BuildcacheError."""
        if self._cache.scheme == "http":
            raise BuildcacheError(f"build cache {self._cache.name} at {self._cache.url} can only be read")
        os.umask(0o022)
        try:
            done: dict[str, Any] = getattr(self, self._module.params["state"])()
            if self._cache.scheme == "file" and done["changed"] and not self._module.check_mode:
                # Spack writes to it too, as the user whose keyring this is.
                hand_over(Path(self._cache.url[len("file://") :]), Path(self._module.params["gnupghome"]).parent)
        finally:
            self._keyring.close()
        return {"cache": {"name": self._cache.name, "url": self._cache.url}, **done}

    def present(self) -> dict[str, Any]:
        """Make the place, what marks it as a cache, and publish the signing key."""
        done: list[str] = []
        check_mode = self._module.check_mode
        if not self._store.exists():
            done.append("made")
            if not check_mode:
                self._store.make()
        contents = Contents() if "made" in done else self._contents()
        if model.LAYOUT_FILE not in contents.items:
            done.append("marked")
            if not check_mode:
                self._store.write(model.LAYOUT_FILE, model.LAYOUT_TEXT)
        if self._signing_key and self._signing_key not in contents.keys:
            done.append("key published")
            if not check_mode:
                arguments = ["--mirror-name", self._cache.name, "--update-index", self._signing_key]
                self._spack("publish the key in", ["gpg", "publish", *arguments])
        return {"changed": bool(done), "actions": done}

    def pushed(self) -> dict[str, Any]:
        """Push what of a lock is installed and not held yet, or held in a state in which nobody may use it."""
        given = self._module.params
        if not self._signing_key:
            raise BuildcacheError("nothing is pushed unsigned: name the key that signs (option signing_key)")
        lock = read_lock(given["lock"])
        own = OwnCache(self._module, self._inspector, given["own"]) if given["own"] else None
        if own is None:
            had = set(self._spack("ask about", ["find", "--format", "{hash}"], accept=(0, 1)).split())
        else:
            had = own.has(lock.wanted)
        contents = self._contents()
        offers = self._inspector.offers(self._store, contents, lock.wanted, False)
        good = {key for key, offer in offers.items() if not offer.reason} - set(given["replace"])
        lacking = decide.to_push(lock, had, good, set(given["exclude"]))
        wanted = [package for package in lacking if package not in decide.kept_back(lacking)]
        check_mode = self._module.check_mode
        if not check_mode and own is not None and wanted:
            with own.handing_on(wanted, given["lock"], self._cache.name, Path(given["gnupghome"]).parent) as arguments:
                self._spack("push to", arguments)
            self._update_index(True)
        elif not check_mode:
            self._push(wanted, contents)
        indexed = self._mend_index(contents) if not wanted else False
        noted = self._note(lock, contents)
        after = contents if check_mode or not wanted else self._contents()
        # Spack keeps back too what its recipe does not allow to hand on.
        arrived = [p for p in wanted if check_mode or p.hash in after.manifests]
        return {
            "changed": bool(arrived or noted or indexed),
            "pushed": [_plain(package) for package in arrived],
            "kept_back": [_plain(package) for package in lacking if package not in arrived],
            "already": len(good & {package.hash for package in lock.wanted}),
            "replaced": sum(1 for package in arrived if package.hash in contents.manifests),
            "bytes": _size(after) - _size(contents),
        }

    def _push(self, wanted: Sequence[Package], contents: Contents) -> None:
        """Push what is installed here."""
        parts = [[p for p in wanted if (p.hash in contents.manifests) == force] for force in (True, False)]
        for part, force in zip(parts, (True, False)):
            if part:
                arguments = ["--force"] if force else []
                arguments += ["--update-index"] if part is parts[1] or not parts[1] else []
                arguments += ["--only", "package", "--key", self._signing_key, self._cache.name]
                self._spack("push to", ["buildcache", "push", *arguments, *(f"/{package.hash}" for package in part)])

    def recorded(self) -> dict[str, Any]:
        """Note what the caches had of a seed."""
        line = log.note(self._store, self._contents(), self._module.params, self._module.check_mode)
        noted = {} if self._module.check_mode else {"line": {**line, "cache": self._cache.name}}
        return {"changed": True, **noted}

    def pruned(self) -> dict[str, Any]:
        """Remove what is older than ``max_age`` and needed by no seed that is kept."""
        given = self._module.params
        contents, now = self._contents(), time.time()
        forgotten = [name for name in given["forget"] if name in contents.seeds]
        if given["unused_for"]:
            limit = now - parse_age(given["unused_for"], "unused_for")
            forgotten += [name for name in decide.unused(contents, limit) if name not in forgotten]
        noted = {name: item.path for name, item in contents.seeds.items() if name not in forgotten}
        texts = self._store.read(list(noted.values()))
        kept = {package.hash for path in given["keep_locks"] for package in read_lock(path).wanted}
        for path, text in texts.items():
            kept |= model.parse_seed(text.decode("utf-8", "replace"), f"{self._cache.url}/{path}")
        plan = decide.pruning(contents, parse_age(given["max_age"]), now, kept, self._needs(contents))
        after = contents
        if not self._module.check_mode:
            lines = [path for name in forgotten for path in history.paths_of(contents.items, name)]
            self._store.remove([*(contents.seeds[name].path for name in forgotten), *lines])
            mended = self._mend_index(contents)
            if plan.remove:
                self._prune(plan.keep, contents)
            after = self._contents()
            if plan.remove:
                self._update_index(bool(after.manifests))
                after = self._contents()
        else:
            mended = self._mend_index(contents) if not plan.remove else False
        # Spack leaves what was pushed again meanwhile.
        removed = [key for key in plan.remove if self._module.check_mode or key not in after.manifests]
        return {
            "changed": bool(removed or forgotten or mended),
            "removed": [contents.manifests[key].path.rpartition("/")[2].split(".spec.")[0] for key in removed],
            "kept": len(contents.manifests) - len(removed),
            "kept_for_seeds": plan.needed_by_seeds,
            "kept_for_packages": plan.needed_by_packages,
            "seeds": sorted(noted),
            "forgotten": forgotten,
            "freed_bytes": _size(contents) - _size(after),
        }

    def _needs(self, contents: Contents) -> dict[str, Package]:
        """What packages need: by the index, and by its spec where that lacks one, as before the end of a build."""
        index: dict[str, Package] = {}
        with suppress(BuildcacheError):
            index = self._index(contents)
        return {**index, **self._inspector.needs(self._store, contents, set(contents.manifests) - set(index))}

    def _prune(self, keep: Sequence[str], contents: Contents) -> None:
        # Others push meanwhile.
        keep = [*keep, *(set(self._contents().manifests) - set(contents.manifests))]
        with tempfile.TemporaryDirectory(dir=self._module.tmpdir) as scratch:
            keeplist = Path(scratch, "keep")
            # Spack refuses an empty list; no package has this hash.
            keeplist.write_text("\n".join(keep or ["a" * 32]) + "\n", encoding="utf-8")
            self._spack("clear", ["buildcache", "prune", "--keeplist", str(keeplist), self._cache.name])

    def _contents(self) -> Contents:
        if not self._store.exists():
            raise nothing_there(self._cache)
        return self._inspector.contents(self._store) or Contents()

    def _index(self, contents: Contents) -> dict[str, Package]:
        if model.INDEX not in contents.items:
            return {}
        data = read_index(self._store)
        return model.parse_index(data.decode("utf-8", "replace")) if data else {}

    def _mend_index(self, contents: Contents) -> bool:
        """Make the index say what the cache holds, where a run that was broken off left it behind; whether it was."""
        try:
            index = set(self._index(contents))
        except BuildcacheError:
            index = {"unreadable"}
        if index == set(contents.manifests):
            return False
        if not self._module.check_mode:
            self._update_index(bool(contents.manifests))
        return True

    def _update_index(self, any_left: bool) -> None:
        if any_left:
            self._spack("update the index of", ["buildcache", "update-index", self._cache.name])
        else:
            # Spack cannot write an index of nothing.
            self._store.remove([model.INDEX])

    def _note(self, lock: Lock, contents: Contents) -> bool:
        """Note what a seed needs, where a seed is named; whether that is new."""
        given = self._module.params
        if not given["seed"]:
            return False
        path = model.seed_path(given["seed"])
        text = model.seed_text(given["seed"], given["fingerprint"] or "", lock)
        if path in contents.items and self._store.read([path]).get(path, b"").decode("utf-8", "replace") == text:
            return False
        if not self._module.check_mode:
            self._store.write(path, text)
        return True

    def _spack(self, what: str, arguments: Sequence[str], accept: Sequence[int] = (0,)) -> str:
        argv = [self._module.params["spack"], "--color", "never", *arguments]
        rc, stdout, stderr = self._module.run_command(argv, environ_update=region_environment(self._cache))
        if rc not in accept:
            lines = [line for line in (stderr + stdout).splitlines() if line.strip()]
            first = next((n for n, line in enumerate(lines) if "Error:" in line), max(0, len(lines) - 5))
            reason = "\n".join(lines[first : first + 8])
            raise BuildcacheError(f"could not {what} build cache {self._cache.name} ({self._cache.url}):\n{reason}")
        return str(stdout)


def _size(contents: Contents) -> int:
    return sum(item.size for item in contents.items.values())


def _plain(package: Package) -> dict[str, str]:
    return {"name": package.name, "version": package.version, "hash": package.hash}
