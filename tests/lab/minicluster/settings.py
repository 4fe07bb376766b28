"""What a mini cluster is made of: names, addresses, packages."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

# More than a minimal Debian. Hosts have no way out, so everything that roles look for stands in the root.
PACKAGES = (
    *("iproute2", "libpmix2", "lmod", "munge", "nfs-common", "nfs-kernel-server", "openssh-server"),
    *("procps", "slurm-client", "slurmctld", "slurmd", "sudo", "tini"),
    # What Spack takes from the system: packages are built on them, too.
    *("autoconf", "automake", "bison", "bzip2", "cmake", "diffutils", "file", "findutils", "flex", "g++", "gcc"),
    *("gettext", "gfortran", "git", "gnupg", "gzip", "libc6-dev", "libtool", "m4", "make", "patch", "patchelf"),
    *("perl", "pkgconf", "python3-venv", "tar", "unzip", "xz-utils"),
)
NETWORK = "10.88.0"
GATEWAY = f"{NETWORK}.1"
HEAD = "head1"
# Compute hosts that Slurm knows although they are not there yet.
SPARE = 2
USER = "alice"


@dataclass(frozen=True)
class Settings:
    """One cluster: its directory, the hosts' common root, and how many hosts there are at first.

    shared: directories of this machine that all hosts have at the same place, as from a site's file server; of_head:
    those that the head has alone.
    """

    directory: str
    root: str
    compute: int
    login: int
    shared: tuple[str, ...] = ()
    of_head: tuple[str, ...] = ()

    def to_json(self) -> str:
        """For the command line of the process that holds the cluster."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Settings:
        """The other way round."""
        given = json.loads(text)
        return Settings(**{**given, "shared": tuple(given["shared"]), "of_head": tuple(given["of_head"])})

    @property
    def path(self) -> Path:
        """Where everything of the cluster is."""
        return Path(self.directory)

    def names(self) -> list[str]:
        """The hosts of the beginning, the head first."""
        return [HEAD, *(f"c{n + 1}" for n in range(self.compute)), *(f"login{n + 1}" for n in range(self.login))]

    def known(self) -> list[str]:
        """Every host that may ever be there."""
        return [*self.names(), *(f"c{n + 1}" for n in range(self.compute, self.compute + SPARE))]


def role(name: str) -> str:
    """A host's group in the inventory."""
    return "head" if name == HEAD else "login" if name.startswith("login") else "compute"


def address(name: str) -> str:
    """A host's address: the head's ends with 10, compute hosts' begin at 11, login hosts' at 201."""
    number = int(name.removeprefix("login").removeprefix("c") or 0) if name != HEAD else 0
    return f"{NETWORK}.{200 + number if name.startswith('login') else 10 + number}"


def slurm_conf(settings: Settings) -> str:
    """One configuration for all hosts. Nothing of cgroups: the machine below lends none."""
    compute = [name for name in settings.known() if role(name) == "compute"]
    lines = [
        "ClusterName=mini",
        f"SlurmctldHost={HEAD}",
        "SlurmUser=slurm",
        "AuthType=auth/munge",
        "CryptoType=crypto/munge",
        "StateSaveLocation=/var/lib/slurm/slurmctld",
        "SlurmdSpoolDir=/var/spool/slurmd",
        "SlurmctldPidFile=/run/slurm/slurmctld.pid",
        "SlurmdPidFile=/run/slurm/slurmd.pid",
        "SlurmctldLogFile=/var/log/slurm/slurmctld.log",
        "SlurmdLogFile=/var/log/slurm/slurmd.log",
        "ProctrackType=proctrack/linuxproc",
        "TaskPlugin=task/none",
        "JobAcctGatherType=jobacct_gather/none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_CPU",
        "SlurmdParameters=config_overrides",
        "ReturnToService=2",
        "SlurmdTimeout=60",
        "KillWait=5",
        "MpiDefault=none",
        *(f"NodeName={name} NodeAddr={address(name)} CPUs=4 State=UNKNOWN" for name in compute),
        f"PartitionName=all Nodes={','.join(compute)} Default=YES MaxTime=INFINITE OverSubscribe=NO",
    ]
    return "\n".join([*lines, ""])
