"""Addresses, routes and packet filters of the sandbox and of the instances in it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ec2lab.data.store import Tools
from ec2lab.settings import CONTROLLER_ADDRESS, GATEWAY, METADATA_ADDRESS, OTHER_ADDRESS, SERVICE_ADDRESS


@dataclass(frozen=True)
class Rule:
    """One line of a security group: protocol (``-1`` is any), ports (None is any), the addresses it opens to."""

    protocol: str
    from_port: int | None
    to_port: int | None
    cidrs: tuple[str, ...]


@dataclass(frozen=True)
class Interface:
    """How one instance is connected."""

    vpc: str
    vpc_cidr: str
    private: str
    public: str | None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses, the one that the world sees first."""
        return (self.public, self.private) if self.public else (self.private,)


def set_up(tools: Tools) -> None:
    """The sandbox's own addresses: the services', the controller's and one for somebody else."""
    for name, value in (("ip_forward", "1"), ("conf/all/rp_filter", "0"), ("conf/default/rp_filter", "0")):
        Path("/proc/sys/net/ipv4", name).write_text(value)
    own = [SERVICE_ADDRESS, CONTROLLER_ADDRESS, OTHER_ADDRESS]
    lines = ["link set lo up", *(f"address add {one}/32 dev lo" for one in own)]
    # Towards the services too, the controller is who it is for the instances.
    lines.append(f"route replace local {SERVICE_ADDRESS}/32 dev lo table local src {CONTROLLER_ADDRESS}")
    tools.run("ip", "-batch", "-", text="\n".join(lines) + "\n")


class Network:
    """The wires between the sandbox and the instances: one pair of interfaces and a routing rule each."""

    def __init__(self, tools: Tools) -> None:
        """Nothing connected yet; ``tools`` runs ip and iptables."""
        self._tools = tools
        self._count = 0
        self._tables: dict[str, int] = {}

    def connect(self, interface: Interface, pid: int) -> None:
        """Wire the network namespace of a process. Raises RuntimeError with what ip said."""
        self._count += 1
        wire = f"i{self._count}"
        table = self._tables.setdefault(interface.vpc, 1000 + len(self._tables))
        # Instances find private addresses in their own VPC only; from the controller the first of two equal ones wins,
        # as it would through a VPN.
        outside = [
            f"link add {wire} type veth peer name eth0 netns {pid}",
            f"address add {GATEWAY}/32 dev {wire}",
            f"link set {wire} up",
            f"rule add iif {wire} lookup {table} priority 100",
            f"route replace {interface.private}/32 dev {wire} table {table}",
            *(f"route append {one}/32 dev {wire} src {CONTROLLER_ADDRESS}" for one in interface.addresses),
        ]
        inside = [
            "link set lo up",
            f"address add {METADATA_ADDRESS}/32 dev lo",
            *(f"address add {one}/32 dev eth0" for one in reversed(interface.addresses)),
            "link set eth0 up",
            f"route add {GATEWAY}/32 dev eth0 scope link src {interface.private}",
            f"route add default via {GATEWAY} src {interface.addresses[0]}",
            f"route add {interface.vpc_cidr} via {GATEWAY} src {interface.private}",
        ]
        self._tools.run("ip", "-batch", "-", text="\n".join(outside) + "\n")
        self._tools.run("ip", "-batch", "-", text="\n".join(inside) + "\n", network=pid)

    def filter(self, pid: int, rules: str) -> None:
        """Put packet filter rules, as filter_rules makes them, into the network namespace of a process."""
        self._tools.run("iptables-restore", text=rules, network=pid)


def filter_rules(ingress: Iterable[Rule], egress: Iterable[Rule], *, mute: bool = False) -> str:
    """Security groups as input of iptables-restore; ``mute`` drops whatever comes in, answers included."""
    lines = [
        "*filter",
        ":INPUT DROP [0:0]",
        ":FORWARD DROP [0:0]",
        ":OUTPUT DROP [0:0]",
        "-A INPUT -i lo -j ACCEPT",
        "-A OUTPUT -o lo -j ACCEPT",
    ]
    if not mute:
        for chain, flag, rules in (("INPUT", "-s", ingress), ("OUTPUT", "-d", egress)):
            lines.append(f"-A {chain} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT")
            lines += [f"-A {chain} {flag} {cidr}{_ports(rule)} -j ACCEPT" for rule in rules for cidr in rule.cidrs]
    return "\n".join([*lines, "COMMIT", ""])


def _ports(rule: Rule) -> str:
    if rule.protocol == "-1":
        return ""
    match = f" -p {rule.protocol}"
    if rule.protocol in ("tcp", "udp") and rule.from_port is not None and rule.from_port >= 0:
        match += f" --dport {rule.from_port}:{rule.to_port}"
    return match


def is_ipv4(cidr: str) -> bool:
    """Whether a range of a security group is one that the lab, which has no IPv6, can open."""
    try:
        return ipaddress.ip_network(cidr, strict=False).version == 4
    except ValueError:
        return False
