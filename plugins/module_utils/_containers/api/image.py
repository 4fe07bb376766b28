# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring images onto a volume: skopeo fetches, umoci unpacks, mksquashfs makes one file of it.

What is in an image is a stranger's. It is unpacked and packed by a user who owns nothing, without a network; nothing
of it is run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._containers import logins, manifests, mirror, model
from ansible_collections.petal.hpc.plugins.module_utils._containers.inside_api import inspected
from ansible_collections.petal.hpc.plugins.module_utils._containers.model import Wanted
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._host.api import UNFINISHED, Host, RunCommand, explained
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import human
from ansible_collections.petal.hpc.plugins.module_utils._python.api.work import scratch_directory
from ansible_collections.petal.hpc.plugins.module_utils._sandbox import api as sandbox
from ansible_collections.petal.hpc.plugins.module_utils._sandbox.api import Sandbox
from ansible_collections.petal.hpc.plugins.module_utils._sandbox.plan import Place
from ansible_collections.petal.hpc.plugins.module_utils._seed import images

#: What is needed on a build host, and the packages that bring it on Debian and its kin.
TOOLS = {"skopeo": "skopeo", "umoci": "umoci", "mksquashfs": "squashfs-tools", "unsquashfs": "squashfs-tools"}
#: Who accepts signatures for which registries, where the site has a word in it (containers-policy.json(5)).
POLICY = Path("/etc/containers/policy.json")
#: In memory, so that a login is never on a disk.
MEMORY = "/dev/shm"  # noqa: S108
_HEAD = 64 * 1024
_LINKS = 40


@dataclass(frozen=True)
class Sources:
    """Where images come from.

    auths: logins by registry and repository. insecure: registries that are asked without TLS. mirror: a mirror
    directory. archive: of a reference to a file. Both are on this host.
    """

    auths: Mapping[str, str]
    insecure: Sequence[str] = ()
    mirror: Path | None = None
    archive: str | None = None


class Images:
    """The images of a volume that is mounted at ``mount_dir``; ``cache_dir`` is off the volume."""

    def __init__(self, run_command: RunCommand, mount_dir: str, cache_dir: str, build_user: str) -> None:
        self._run_command = run_command
        self._host = Host(run_command)
        self._mount_dir = Path(mount_dir)
        self._cache_dir = cache_dir
        self._build_user = build_user
        self._work = Path(cache_dir, "build")

    def completed(self, wanted: Wanted) -> dict[str, Any] | None:
        """What is known of an image that is on the volume; None where it is to be made."""
        record = model.completed(_text(self._mount_dir / wanted.record_file), wanted)
        file = self._mount_dir / wanted.file
        with contextlib.suppress(OSError):
            return record if record and file.stat().st_size == record["size"] else None
        return None

    def ensure(self, wanted: Wanted, sources: Sources) -> dict[str, Any]:
        """Bring one image onto the volume, and say what is known of it. Raises PetalError, and leaves nothing half."""
        if not self._mount_dir.is_dir():
            raise PetalError(f"{self._mount_dir} is no directory; expected the mounted volume (mount_dir)")
        self._host.need_root(wanted.what)
        need_tools(wanted.what)
        os.umask(0o022)
        target = self._mount_dir / wanted.file
        with explained(f"bringing {wanted.what} onto the volume"):
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._host.lock(Path(self._cache_dir, "lock"), wanted.what):
                _tidied(target.parent)
                return self.completed(wanted) or self._made(wanted, sources)

    def _made(self, wanted: Wanted, sources: Sources) -> dict[str, Any]:
        account = sandbox.account(self._build_user)
        keeper = Sandbox(self._run_command, account)
        closed = sandbox.closed_to_others(Path(self._cache_dir))
        if closed:
            raise PetalError(
                f"{closed} is closed to others, so that {account.name} cannot work below it: chmod o+x {closed}"
            )
        with scratch_directory(self._run_command, self._cache_dir) as scratch:
            own = Path(scratch, "own")
            own.mkdir(0o755)
            fetched = Path(scratch, "fetched")
            self._fetch(wanted, sources, fetched)
            manifest = _manifest(fetched, wanted)
            config, file = self._unpacked(wanted, fetched, manifest, own, keeper)
            found = programs(own / "rootfs", wanted, model.variables(config).get("PATH") or model.PATH)
            record = {
                "digest": wanted.digest,
                "compression": wanted.compression,
                "labels": model.labels(config),
                # Another container of the same image may have asked for others.
                "programs": {**model.programs_before(_text(self._mount_dir / wanted.record_file), wanted), **found},
                # In the file that is made of it nobody sees more than bytes.
                **inspected(own / "rootfs"),
                "sha256": self._placed(file, self._mount_dir / wanted.file),
                "size": file.stat().st_size,
            }
            self._host.write(self._mount_dir / wanted.record_file, json.dumps(record, indent=1, sort_keys=True) + "\n")
            return record

    # -- fetching

    def is_mirrored(self, wanted: Wanted, directory: Path) -> bool:
        """Whether a mirror directory has an image, and knows that the reference stands for it."""
        known = mirror.read(_text(directory / mirror.FILE) or "{}", str(directory / mirror.FILE))
        there = (directory / _place(wanted) / "manifest.json").is_file()
        return there and mirror.digest(known, wanted.image, wanted.architecture) == wanted.digest

    def mirror(self, wanted: Wanted, sources: Sources, directory: Path) -> None:
        """Put an image into a mirror directory, and note what its reference stands for. Raises PetalError."""
        need_tools(wanted.what, ("skopeo",))
        os.umask(0o022)
        target = directory / _place(wanted)
        images_there = target.parent
        with explained(f"putting {wanted.what} into {directory}"):
            images_there.mkdir(parents=True, exist_ok=True)
            with self._host.lock(images_there / ".lock", wanted.what):
                _tidied(images_there)
                if not (target / "manifest.json").is_file():
                    new = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=images_there))
                    try:
                        self._fetch(wanted, sources, new)
                        _manifest(new, wanted)
                        new.chmod(0o755)
                        new.rename(target)
                    finally:
                        shutil.rmtree(new, ignore_errors=True)
                file = directory / mirror.FILE
                known = mirror.read(_text(file) or "{}", str(file))
                self._host.write(file, mirror.added(known, wanted.image, wanted.architecture, wanted.digest))

    def _fetch(self, wanted: Wanted, sources: Sources, target: Path) -> None:
        """The image's manifest and its layers as they are, compared with their digests on the way."""
        meant = wanted.reference
        architecture = manifests.ARCHITECTURES[wanted.architecture]
        mirrored = sources.mirror and sources.mirror / _place(wanted)
        if mirrored and (mirrored / "manifest.json").is_file():
            self._skopeo(wanted, model.skopeo_copy(f"dir:{mirrored}", f"dir:{target}", architecture))
            if (mirrored / mirror.INDEX).is_file():
                shutil.copyfile(mirrored / mirror.INDEX, target / mirror.INDEX)
        elif meant.kind == images.FILE:
            self._skopeo(wanted, model.skopeo_copy(f"oci-archive:{sources.archive}", f"dir:{target}", architecture))
        else:
            plain = meant.registry in sources.insecure
            options = ["--src-tls-verify=false"] if plain else []
            source = f"docker://{meant.at(wanted.digest)}"
            # skopeo would send a login in clear.
            with self._logins({} if plain else sources.auths) as auth_file:
                options += ["--authfile", f"/proc/self/fd/{auth_file}"]
                self._skopeo(wanted, model.skopeo_copy(source, f"dir:{target}", architecture, options), [auth_file])
                if _digest((target / "manifest.json").read_bytes()) != wanted.digest:
                    raw = self._skopeo(wanted, model.skopeo_raw(source, options), [auth_file])
                    (target / mirror.INDEX).write_bytes(raw.encode(errors="surrogateescape"))

    @contextlib.contextmanager
    def _logins(self, auths: Mapping[str, str]) -> Iterator[int]:
        """An auth file without a name, gone with the last process that has it, however that ends; without logins an
        empty one, so that none of root's counts.
        """
        with tempfile.TemporaryFile(dir=MEMORY if Path(MEMORY).is_dir() else None) as file:
            file.write(logins.file(auths).encode())
            file.flush()
            yield file.fileno()

    def _skopeo(self, wanted: Wanted, argv: Sequence[str], descriptors: Sequence[int] = ()) -> str:
        trusting = [] if POLICY.is_file() else ["--insecure-policy"]
        command = [argv[0], *trusting, *argv[1:]]
        status, output, problem = self._run_command(command, pass_fds=descriptors)
        if status:
            raise PetalError(_why_not_fetched(wanted, problem))
        return output

    # -- what it holds

    def _unpacked(
        self, wanted: Wanted, fetched: Path, manifest: Mapping[str, Any], own: Path, keeper: Sandbox
    ) -> tuple[dict[str, Any], Path]:
        """An image's configuration and its squashfs; beside it in ``own`` its files, as rootfs."""
        place = Place(str(self._work), {str(own): str(self._work)})
        self._work.mkdir(0o755, exist_ok=True)
        file, rootfs = own / "image.sqsh", str(self._work / "rootfs")
        if wanted.reference.kind == images.ORAS:
            digest = manifests.sif(manifest, wanted.what)
            _cut(fetched / digest.partition(":")[2], file, wanted.what)
            keeper.lend(own)
            # Devices and other people's files cannot be made by a user; what can is all that is looked at.
            self._by_user(keeper, place, model.unsquashfs(str(self._work / file.name), rootfs), wanted, (0, 2))
            return _config_of_sif(own / "rootfs"), file
        config = _json(fetched / manifests.config_digest(manifest, wanted.what).partition(":")[2])
        manifests.fits(config, wanted.architecture, wanted.what)
        architecture = manifests.ARCHITECTURES[wanted.architecture]
        self._skopeo(wanted, model.skopeo_copy(f"dir:{fetched}", f"oci:{own / 'oci'}:image", architecture))
        # As a file: an argument has an end, an image's variables have none.
        (own / "environment.sh").write_text(model.environment_script(model.variables(config)), encoding="utf-8")
        script = str(self._work / "environment.sh")
        keeper.lend(own)
        self._by_user(keeper, place, model.umoci_unpack(str(self._work / "oci"), rootfs), wanted)
        for command in (
            # A user who is not root cannot read what its owner may not.
            ["chmod", "--recursive", "u+rwX", rootfs],
            ["sh", "-c", _WRITE_ENVIRONMENT, "sh", rootfs, model.ENVIRONMENT_FILE, script],
            model.mksquashfs(rootfs, str(self._work / file.name), wanted.compression),
        ):
            self._by_user(keeper, place, command, wanted)
        return config, file

    def _by_user(
        self, keeper: Sandbox, place: Place, command: Sequence[str], wanted: Wanted, fine: Sequence[int] = (0,)
    ) -> None:
        status, output, problem = keeper.call(command, place)
        if status not in fine:
            said = " ".join((problem.strip() or output.strip() or "no message").split())[-500:]
            raise PetalError(
                f"{wanted.what} could not be unpacked ({command[0]} ended with the status {status}): {said}"
            )

    def _placed(self, file: Path, target: Path) -> str:
        """Copy what a user has made to its place, in one step; its SHA-256."""
        free = self._host.free_bytes(target.parent)
        size = file.lstat().st_size
        if size > free:
            raise PetalError(
                f"{file.name} takes {human(size)}, and the volume has {human(free)} left: ask for a larger volume "
                "(shared_storage[].ebs_settings.size)"
            )
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with (
            os.fdopen(descriptor, "rb") as source,
            tempfile.NamedTemporaryFile(prefix=UNFINISHED, dir=target.parent, delete=False) as new,
        ):
            try:
                if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
                    raise PetalError(f"{file} is no plain file")
                digest = hashlib.sha256()
                for piece in iter(lambda: source.read(1 << 20), b""):
                    digest.update(piece)
                    new.write(piece)
                new.flush()
                os.fchmod(new.fileno(), 0o644)
                os.fsync(new.fileno())
                Path(new.name).replace(target)
            except BaseException:
                Path(new.name).unlink()
                raise
        self._host.sync_directory(target.parent)
        return digest.hexdigest()


#: As the user whose files these are: a link in the image leads nowhere but to what is theirs.
_WRITE_ENVIRONMENT = 'cd "$1" && rm -rf .singularity.d && mkdir -p "${2%/*}" && cat "$3" >"$2" && chmod 755 "$2"'


def _tidied(directory: Path) -> None:
    """Remove what a run that was killed has left half-made. Nobody else works there now."""
    for rest in directory.glob(f"{UNFINISHED}*"):
        if rest.is_dir() and not rest.is_symlink():
            shutil.rmtree(rest)
        else:
            rest.unlink()


def need_tools(what: str, tools: Iterable[str] | None = None) -> None:
    """Raises PetalError where this host lacks what it takes."""
    lacking = sorted(name for name in tools or TOOLS if not shutil.which(name))
    if lacking:
        packages = sorted({TOOLS[name] for name in lacking})
        raise PetalError(
            f"{what} needs {', '.join(lacking)} on the build host: install the packages {', '.join(packages)}, or "
            "build on a system that has them, such as Debian and Ubuntu"
        )


def programs(rootfs: Path, wanted: Wanted, path: str) -> dict[str, str]:
    """Where the commands of an image are in it. Raises PetalError where it lacks one."""
    found = {}
    for command in sorted(set(wanted.programs.values())):
        there = (place for place in model.candidates(command, path) if _is_program(rootfs, place))
        found[command] = next(there, "")
    lacking = model.missing(wanted, found, path)
    if lacking:
        raise PetalError(lacking)
    return found


def _is_program(rootfs: Path, path: str) -> bool:
    """Whether an image has a program at a path, links in the image followed as in the image."""
    ahead, links = [part for part in path.split("/") if part], 0
    at: list[str] = []
    while ahead:
        part = ahead.pop(0)
        if part == "..":
            at = at[:-1]
            continue
        if part == ".":
            continue
        there = rootfs.joinpath(*at, part)
        try:
            mode = there.lstat().st_mode
        except OSError:
            return False
        if stat.S_ISLNK(mode):
            links += 1
            if links > _LINKS:
                return False
            target = str(there.readlink())
            at = [] if target.startswith("/") else at
            ahead = [piece for piece in target.split("/") if piece] + ahead
        else:
            at = [*at, part]
            if not ahead:
                return stat.S_ISREG(mode) and bool(mode & 0o111)
    return False


def _manifest(fetched: Path, wanted: Wanted) -> dict[str, Any]:
    """The manifest that came, which is the one that is meant, or one that the index has that is meant."""
    content = (fetched / "manifest.json").read_bytes()
    digest = _digest(content)
    if digest != wanted.digest:
        index = fetched / mirror.INDEX
        listed = index.read_bytes() if index.is_file() else b""
        found = manifests.read(listed, wanted.what) if _digest(listed) == wanted.digest else {}
        if digest not in {entry.get("digest") for entry in found.get("manifests") or ()}:
            raise PetalError(
                f"{wanted.what} has the digest {digest} where {wanted.digest} was looked up for the fingerprint: "
                "nothing of it was used. Run again; a mirror or an archive that holds another image is filled anew"
            )
    return manifests.read(content, wanted.what)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _place(wanted: Wanted) -> str:
    return mirror.place(wanted.architecture, wanted.hexadecimal)


def _config_of_sif(rootfs: Path) -> dict[str, Any]:
    """What Apptainer keeps of an image in its files, in the form of an image's configuration."""
    with contextlib.suppress(OSError, PetalError, ValueError):
        path = model.path_in_script(_small(rootfs, model.ENVIRONMENT_FILE))
        return {
            "config": {"Env": [f"PATH={path}"] if path else [], "Labels": json.loads(_small(rootfs, model.LABELS_FILE))}
        }
    return {}


def _small(rootfs: Path, path: str) -> str:
    """A text in an image, read through no link."""
    with below.file(rootfs, path) as stream:
        return stream.read(_HEAD).decode(errors="replace")


def _cut(blob: Path, target: Path, what: str) -> None:
    """The squashfs in a SIF file, as a file of its own."""
    with blob.open("rb") as source, target.open("wb") as new:
        offset, length = model.squashfs_in_sif(source.read(_HEAD), what)
        source.seek(offset)
        while length > 0:
            piece = source.read(min(length, 1 << 20))
            if not piece:
                raise PetalError(f"{what} is a SIF file that has been cut off")
            new.write(piece)
            length -= len(piece)


def _why_not_fetched(wanted: Wanted, problem: str) -> str:
    lines = [line for line in problem.splitlines() if line.strip()]
    said = (lines[-1] if lines else "no message")[-600:]
    low = said.lower()
    if "unauthorized" in low or "authentication required" in low or "denied" in low:
        todo = "It wants a login, or another one: name where logins are kept in containers_auth_from"
    elif "manifest unknown" in low or "not found" in low or "no such file" in low:
        todo = "It is not there any more. Look at the name, or build with what the tag stands for now"
    elif "no such host" in low or "connection refused" in low or "timeout" in low or "no route" in low:
        todo = "The build host has to reach the registry, or a mirror directory that holds the image (spack_mirror_dir)"
    elif "certificate" in low or "x509" in low:
        todo = "Let the build host's system trust the certificate of the registry"
    else:
        todo = "Look at what skopeo says"
    return f"{wanted.what} could not be fetched at {wanted.digest}: {said}. {todo}"


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        return found if isinstance(found, dict) else {}
    except ValueError:
        return {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
