# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The extra variables that the playbooks take, and what is said of others: a misspelt one would do nothing."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import without_credentials

#: Extra variables (``-e NAME=…``) that enter a role without its prefix. A new one is a word here; a test finds those
#: that playbooks, documents and defaults name. What bears a role's prefix is read from the roles.
EXTRA_VARIABLES = frozenset(
    [
        # a seed, and where and how it is built
        "seed",
        "store",
        "build_host",
        "build_farm",
        "build_farm_options",
        "build_farm_jobs",
        "force",
        "keep_on_failure",
        "detach",
        "base",
        "watch",
        "log",
        "provider",
        "region",
        # in place of the seed's own, and for all seeds of a site
        "cluster_name",
        "os",
        "name",
        "build_instance",
        "on_demand",
        "part",
        "registry",
        # on AWS
        "subnet_id",
        "subnet_ids",
        "controller_cidr",
        "private_address",
        "build_connection",
        "ssm_bucket",
        "host_keys",
        "ami_id",
        "iam_instance_profile",
        "ssh_key_dir",
        "logs_dir",
        # of a site: how its builder is called in provenance
        "petal_builder_id",
        # of a site on AWX; the role awx knows the others with petal_awx_, and refuses what is none of them
        "petal_awx_project_url",
        # OSV's export, at share_volume
        "osv",
        "petal_osv",
        # snapshots
        "snapshot_id",
        "ami",
        "save_to_seed",
        "tier",
        "since",
        "snapshot_sources",
        "fingerprint",
        "accounts",
        "accounts_file",
        "public",
        "purge",
        "unaudited",
        "regions",
        "encrypted",
        "kms_key_id",
        "kms_key_ids",
        "owners",
        "at",
        "file",
        "share_store",
        "shared",
        "store_endpoint_url",
        "store_region",
        # clusters
        "rollback",
        "switch",
        "switch_timeout",
        "nfs_server",
        "users_and_mounts",
        "verify_user",
        "junit",
        "head_node_key_file",
        "cluster_config",
        "key_name",
        "hook_bucket",
        "pcluster_python",
        # cleanup
        "older_than",
        "build_id",
        "detached",
        "kept",
        "keep_last",
        "unused_for",
        # build caches
        "action",
        "cache_action",
        "cache",
        "max_age",
        "create_key",
        "record",
        "forget",
        # the registry
        "question",
        "stack",
        "text",
        "offline",
        "clone",
        "state",
        "description",
        "stack_tags",
        "official",
        # whose software is used
        "unsigned",
    ]
)

#: What a site says in its inventory of trust. A misspelt one would trust too much, or sign nothing, in silence.
SITE_VARIABLES = frozenset(
    [
        "petal_trusted_signers",
        "petal_trusted_stores",
        "petal_trusted_accounts",
        "petal_require_signatures",
        "petal_signing_key",
    ]
)
_TRUST = re.compile(r"petal_(trust|requir|sign)")

#: Not ours to judge: Ansible's own, AWX's, and what an earlier job of an AWX workflow handed on with set_stats.
FOREIGN = re.compile(r"(ansible|awx|tower|petal)_")

#: From this length on two slips of the keyboard are near; a shorter name with two slips is another name.
LONG = 8
#: Up to this length another letter in place of one makes another word: text and test.
SHORT = 4


@dataclass(frozen=True)
class Judgement:
    """What is to be said of the extra variables of a run, a sentence each.

    errors: names that are near a known one. warnings: others that nobody knows.
    """

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def judge(given: Iterable[str], known: Collection[str]) -> Judgement:
    """Look at the names of a run's extra variables. known: all that the collection reads."""
    errors, warnings = [], []
    for name in sorted(set(given) - set(known)):
        if FOREIGN.match(name):
            continue
        if near := nearest(name, known):
            errors.append(f"-e {name}=…: there is no such extra variable; did you mean {near}?")
        else:
            warnings.append(f"-e {name}=…: petal.hpc has no such extra variable; at most your own inventory reads it.")
    return Judgement(tuple(errors), tuple(warnings))


def misspelt(names: Iterable[str]) -> tuple[str, ...]:
    """Names of any variables, from the inventory or elsewhere, that a site means for trust and nobody reads."""
    wrong = (name for name in names if _TRUST.match(name) and name not in SITE_VARIABLES)
    known = ", ".join(sorted(SITE_VARIABLES))
    return tuple(f"{name}: there is no such variable, and it would do nothing; there are {known}." for name in wrong)


#: The role that had all variables before 0.2, and those that have them now.
OLD = "software_volume_"
NEW = ("snapshots_", "volume_build_", "build_host_", "cluster_")


def unread(names: Iterable[str], known: Collection[str], bound: Mapping[str, str]) -> tuple[str, ...]:
    """Names of variables, from the inventory or elsewhere, that would do nothing, and what to say instead.

    known: all that the collection reads. bound: variables of roles that the playbooks set, and from which variable.
    """
    wrong = []
    for name in sorted(set(names)):
        if name in bound:
            wrong.append(f"{name} in the inventory does nothing, for the playbooks set it: say {bound[name]} instead.")
        elif name.startswith(OLD) and name not in known:
            now = [new for new in (prefix + name[len(OLD) :] for prefix in NEW) if new in known]
            if now:
                wrong.append(f"{name} is not read any more: say {bound.get(now[0], now[0])} instead.")
    return tuple(wrong)


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name of which this one is a slip of the keyboard, or nothing."""
    near = sorted((distance(name.lower(), one), one) for one in known if abs(len(one) - len(name)) <= 2)
    if not near:
        return ""
    slips, best = near[0]
    if slips > (2 if len(name) >= LONG else 1):
        return ""
    if len(name) <= SHORT and len(best) == len(name) and sorted(best) != sorted(name.lower()):
        return ""
    return best


def distance(one: str, other: str) -> int:
    """Letters left out, put in, replaced, or exchanged with their neighbour (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        oldest, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, oldest[j - 2] + 1)
            row.append(cost)
    return row[-1]


def missing_hosts(
    groups: Mapping[str, Collection[str]], wanted: Iterable[str], needed: Iterable[str], hosts: Collection[str]
) -> str:
    """Why a run would do nothing, one sentence; empty where it would do something.

    groups: of the inventory. wanted: the groups whose hosts the playbook works on. needed: hosts without which it does
    nothing. hosts: those of the run.
    """
    if "localhost" not in hosts:
        return (
            "localhost is not among the hosts of this run, and nothing happens without it: it plans what the others "
            "do. Add it to --limit (--limit 'localhost,…')."
        )
    for host in needed:
        if host not in hosts:
            there = any(host in members for members in groups.values())
            why = "left out by --limit" if there else "not in the inventory"
            return f"The host {host}, on which this playbook works (build_host), is {why}: nothing would happen."
    nodes = [host for group in wanted for host in groups.get(group, ())]
    if nodes and not set(nodes) & set(hosts):
        return (
            f"None of the inventory's hosts that this playbook works on ({', '.join(dict.fromkeys(nodes))}) is among "
            "the hosts of this run. Add those that are meant to --limit."
        )
    return ""


def command_line(variables: Mapping[str, Any], inventories: Iterable[str] = ()) -> str:
    """Extra variables as a command line has them; those that are empty are left out, and passwords in addresses. Behind
    them inventories.

    >>> print(command_line({"seed": "my seed.yaml", "name": "bio-v1", "os": ""}))
    -e '{"seed": "my seed.yaml"}' -e name=bio-v1
    """
    given = {name: value for name, value in variables.items() if value not in (None, "")}
    said = [("-e", _extra_variable(*one)) for one in given.items()] + [("-i", one) for one in inventories]
    return " ".join(f"{option} {shlex.quote(without_credentials(text))}" for option, text in said)


def _extra_variable(name: str, value: Any) -> str:
    # Ansible splits NAME=VALUE at blanks and takes quotes and backslashes away, but not in JSON.
    plain = (
        isinstance(value, (str, int)) and not isinstance(value, bool) and re.fullmatch(r"[\w./:@%+,~-]+", str(value))
    )
    return f"{name}={value}" if plain else json.dumps({name: value}, default=str)
