"""What can be set about a lab, and the addresses and names that are fixed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

# Addresses from the blocks that are reserved for documentation, so that none means anything outside.
SERVICE_ADDRESS = "192.0.2.1"
CONTROLLER_ADDRESS = "203.0.113.10"
OTHER_ADDRESS = "203.0.113.20"
GATEWAY = "169.254.1.1"
METADATA_ADDRESS = "169.254.169.254"
API_PORT = 80
INDEX_PORT = 8080
SESSION_PORT = 8443
ENDPOINT = f"http://{SERVICE_ADDRESS}"
INDEX_URL = f"http://{SERVICE_ADDRESS}:{INDEX_PORT}/simple/"

# Programs that on AWS come from Amazon, for the PATH of what runs in the lab.
PROGRAMS = Path(__file__).parent / "bin"

ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
REGION = "us-east-1"

# More than a minimal Debian: what a build host needs, and what the lab itself uses from it.
ROOT_PACKAGES = (
    *("build-essential", "gfortran", "git", "patch", "patchelf", "python3-dev", "python3-venv"),
    *("autoconf", "automake", "bison", "cmake", "flex", "gettext", "libtool", "m4", "pkgconf"),
    *("bzip2", "pigz", "squashfs-tools", "unzip", "xz-utils"),
    *("curl", "file", "gnupg", "jq", "kmod", "less", "lmod", "rsync", "sudo", "util-linux"),
    *("e2fsprogs", "iproute2", "iptables", "openssh-server", "tini", "xfsprogs"),
)


# Where a share would hide what an instance, or the lab itself, has there.
OWN_TREES = ("bin", "boot", "dev", "etc", "lib", "lib64", "mnt", "proc", "run", "sbin", "sys", "usr")


def access_key(account: str) -> str:
    """The access key id that stands for an account: twenty characters, the twelve digits among them."""
    return f"AKIA{account}PLAB"


@dataclass(frozen=True)
class Delays:
    """Seconds that a state lasts which AWS leaves by itself."""

    instance_pending: float = 1.0
    instance_stopping: float = 1.0
    volume_creating: float = 1.0
    volume_attaching: float = 1.0
    volume_detaching: float = 1.0
    snapshot_pending: float = 3.0
    # Of a stack: one layer of resources that are made at once.
    stack_layer: float = 1.0
    # How long EC2 still lists an instance that has ended.
    instance_terminated: float = 3600.0


@dataclass(frozen=True)
class Settings:
    """One lab.

    ``os_release`` is ``image`` (a host says that it is what its image is named after) or ``debian``. ``shares`` are
    directories of this machine that every instance has too, read-only.
    """

    delays: Delays = field(default_factory=Delays)
    account: str = ACCOUNT
    region: str = REGION
    os_release: str = "image"
    store_gib: int = 200
    max_instances: int = 20
    root: str = ""
    wheels: str = ""
    shares: tuple[str, ...] = ()

    def to_json(self) -> str:
        """As one line of text, for the process inside the sandbox."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """The inverse of to_json."""
        values = json.loads(text)
        return cls(**{**values, "delays": Delays(**values["delays"]), "shares": tuple(values["shares"])})

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """An environment for a program inside the lab, which takes it for AWS: endpoint, credentials and Region."""
        foreign = {"http_proxy", "https_proxy", "all_proxy"}
        kept = {
            name: value for name, value in base.items() if name.lower() not in foreign and not name.startswith("AWS_")
        }
        return kept | {
            "AWS_ENDPOINT_URL": ENDPOINT,
            "AWS_ACCESS_KEY_ID": access_key(self.account),
            # As long as real ones: Ansible blots out every occurrence in what modules return.
            "AWS_SECRET_ACCESS_KEY": "ec2lab0secret0access0key0of0forty0digits",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            # Ansible would take one of this machine first.
            "AWS_SESSION_MANAGER_PLUGIN": str(PROGRAMS / "session-manager-plugin"),
            "PATH": os.pathsep.join([str(PROGRAMS), kept.get("PATH", os.defpath)]),
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "PETAL_LAB": ENDPOINT,
            "PETAL_LAB_CONTROLLER_ADDRESS": CONTROLLER_ADDRESS,
            "PETAL_LAB_OTHER_ACCOUNT": OTHER_ACCOUNT,
            "PETAL_LAB_INDEX": INDEX_URL,
        }


def delays(pairs: list[str]) -> Delays:
    """``NAME=SECONDS`` items as Delays; ``all=SECONDS`` sets every one. Raises ValueError with a clear message."""
    known = [item.name for item in fields(Delays)]
    values: dict[str, float] = {}
    for pair in pairs:
        name, separator, seconds = pair.partition("=")
        name = name.replace("-", "_")
        if not separator or (name != "all" and name not in known):
            raise ValueError(f"{pair!r}: expected NAME=SECONDS with NAME one of: all, {', '.join(known)}")
        every = [one for one in known if one != "instance_terminated"]
        values.update(dict.fromkeys(every, float(seconds)) if name == "all" else {name: float(seconds)})
    return Delays(**values)


def shares(directories: Sequence[str]) -> tuple[str, ...]:
    """Directories to share, absolute. Raises ValueError for what is none, and for what an instance has of its own."""
    found = []
    for given in directories:
        path = Path(given).expanduser().resolve()
        if not path.is_dir():
            raise ValueError(f"cannot share {given}: it is no directory")
        if len(path.parts) < 2 or path.parts[1] in OWN_TREES:
            raise ValueError(
                f"cannot share {given}: instances, or the lab, have a {Path('/', *path.parts[1:2])} of their own"
            )
        found.append(str(path))
    return tuple(found)


def cache_dir() -> Path:
    """Where roots and wheels are kept between labs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "petal"
