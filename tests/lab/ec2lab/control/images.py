"""The images that the lab offers: named, dated and owned like the official ones, and a few to be avoided."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

PARALLELCLUSTER = "247102896272"
AMAZON = "137112412989"
CANONICAL = "099720109477"
DEBIAN = "136693071363"
STRANGER = "666677778888"
ARCHITECTURES = ("x86_64", "arm64")
# Long past, so that such an image is deprecated whatever the machine's clock says.
PAST = datetime(2020, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class System:
    """An operating system: its part of the official names, its login user, what its /etc/os-release says,
    and whether SSM Agent is on its images.
    """

    part: str
    user: str
    os_release: str
    root_device: str = "/dev/sda1"
    agent: bool = True


def _release(**values: str) -> str:
    return "".join(f'{key}="{value}"\n' for key, value in values.items())


SYSTEMS = (
    System(
        "amzn2023-hvm",
        "ec2-user",
        _release(
            NAME="Amazon Linux",
            VERSION="2023",
            ID="amzn",
            ID_LIKE="fedora",
            VERSION_ID="2023",
            PRETTY_NAME="Amazon Linux 2023",
        ),
        "/dev/xvda",
    ),
    System(
        "ubuntu-2204-lts-hvm",
        "ubuntu",
        _release(
            NAME="Ubuntu",
            ID="ubuntu",
            ID_LIKE="debian",
            VERSION_ID="22.04",
            VERSION_CODENAME="jammy",
            PRETTY_NAME="Ubuntu 22.04 LTS",
        ),
    ),
    System(
        "ubuntu-2404-lts-hvm",
        "ubuntu",
        _release(
            NAME="Ubuntu",
            ID="ubuntu",
            ID_LIKE="debian",
            VERSION_ID="24.04",
            VERSION_CODENAME="noble",
            PRETTY_NAME="Ubuntu 24.04 LTS",
        ),
    ),
    System(
        "rhel8-hvm",
        "ec2-user",
        _release(
            NAME="Red Hat Enterprise Linux",
            ID="rhel",
            ID_LIKE="fedora",
            VERSION_ID="8.10",
            PRETTY_NAME="Red Hat Enterprise Linux 8.10",
        ),
    ),
    System(
        "rhel9-hvm",
        "ec2-user",
        _release(
            NAME="Red Hat Enterprise Linux",
            ID="rhel",
            ID_LIKE="fedora",
            VERSION_ID="9.6",
            PRETTY_NAME="Red Hat Enterprise Linux 9.6",
        ),
    ),
)
PLAIN = System("debian-12", "admin", "", "/dev/xvda", agent=False)


@dataclass(frozen=True)
class Image:
    """One machine image, before a Region gives it its id."""

    name: str
    owner: str
    alias: str | None
    architecture: str
    created: datetime
    system: System
    gib: int
    deprecated: datetime | None = None

    def id_in(self, region: str) -> str:
        """The id, which as on AWS is another one in each Region and the same in each lab."""
        return "ami-" + hashlib.sha256(f"{region} {self.owner} {self.name}".encode()).hexdigest()[:17]


def images() -> Iterator[Image]:
    """All of them."""
    releases = (
        ("3.14.0", datetime(2025, 9, 16, tzinfo=timezone.utc), PAST),
        ("3.15.0", datetime(2026, 2, 10, tzinfo=timezone.utc), None),
        ("3.16.1", datetime(2026, 6, 2, tzinfo=timezone.utc), None),
        ("3.16.1", datetime(2026, 6, 15, tzinfo=timezone.utc), None),
    )
    for system in SYSTEMS:
        for architecture in ARCHITECTURES:
            for version, created, deprecated in releases:
                dates = f"{created:%Y%m%d%H%M} {created:%Y-%m-%dT%H-%M-%S}.000Z"
                name = f"aws-parallelcluster-{version}-{system.part}-{architecture}-{dates}"
                yield Image(name, PARALLELCLUSTER, "amazon", architecture, created, system, 45, deprecated)
    # Newer than every official one and named like it: whoever looks without an owner finds this.
    late = datetime(2026, 7, 1, tzinfo=timezone.utc)
    yield Image(
        f"aws-parallelcluster-3.16.1-amzn2023-hvm-x86_64-{late:%Y%m%d%H%M} patched",
        STRANGER,
        None,
        "x86_64",
        late,
        SYSTEMS[0],
        45,
    )
    base = datetime(2026, 6, 1, tzinfo=timezone.utc)
    for architecture in ARCHITECTURES:
        short = {"x86_64": "amd64"}.get(architecture, architecture)
        yield Image(
            f"al2023-ami-2023.9.{base:%Y%m%d}.0-kernel-6.1-{architecture}",
            AMAZON,
            "amazon",
            architecture,
            base,
            SYSTEMS[0],
            8,
        )
        yield Image(
            f"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{short}-server-{base:%Y%m%d}",
            CANONICAL,
            None,
            architecture,
            base,
            SYSTEMS[2],
            8,
        )
        yield Image(f"debian-12-{short}-{base:%Y%m%d}-2000", DEBIAN, None, architecture, base, PLAIN, 8)


BY_NAME = {(image.owner, image.name): image for image in images()}


def system_of(owner: str, name: str | None) -> System:
    """What an image is made of; an image that a user made himself is a plain Debian."""
    image = BY_NAME.get((owner, name or ""))
    return image.system if image else PLAIN
