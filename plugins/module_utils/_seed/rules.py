# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the keys of a seed must mean together: one small function for each rule.

A rule looks at the clean copy that the schema leaves (what is wrong on its own is missing there) and yields
what it finds. RULES names each with its level; those about storage and software are in files of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import platforms
from ansible_collections.petal.hpc.plugins.module_utils._seed.drafts import (
    DEFAULT_MAX_COUNT,
    MIGRATION_GUIDE,
    Draft,
    Finding,
    Rule,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR, WARNING
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Path
from ansible_collections.petal.hpc.plugins.module_utils._seed.software_rules import (
    as_of_is_over,
    as_of_is_past,
    builds_something,
    compiler_is_one,
    compiler_of_all_is_in_the_image,
    environments_once,
    hashes_are_fleeting,
    image_has_what_it_names,
    image_is_of_aws,
    modulefiles_have_names_of_their_own,
    modulefiles_hide_packages,
    names_once,
    one_place_for_a_package,
    own_image_is_named,
    packages_once,
    recipes_are_somewhere,
    refs_are_pinned,
    requirements_are_pinned,
    something_to_install,
    spack_is_of_today,
    specs_are_pinned,
    specs_fit_the_system,
    switches_before_compilers,
    target_fits_the_architecture,
    vendors_keep_theirs,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed.storage_rules import (
    at_most_five_volumes,
    ebs_performance,
    key_wants_encryption,
    local_has_no_use_for,
    mount_dirs_apart,
    s3_hides_software,
    s3_mounts_apart,
    software_volume_is_clear,
)


def aws_wants_region(seed: Draft) -> Iterator[Finding]:
    if seed.provider == "aws" and seed.lacks("cluster", "region"):
        yield Finding(("cluster", "region"), "provider aws needs a region", expected="a region such as us-east-1")


def known_os(seed: Draft) -> Iterator[Finding]:
    if not seed.lacks("cluster", "os") or seed.get("cluster") is None:
        return
    if seed.os not in platforms.OPERATING_SYSTEMS:
        here = f"this host's operating system ({seed.os or 'unknown'})"
        yield Finding(
            ("cluster", "os"),
            f"it is missing, and {here} is none that volumes can be built for",
            expected="one of " + ", ".join(platforms.OPERATING_SYSTEMS),
        )


def known_architecture(seed: Draft) -> Iterator[Finding]:
    if seed.get("cluster") is None or not seed.lacks("cluster", "architecture"):
        return
    if seed.architecture not in platforms.ARCHITECTURES:
        yield Finding(
            ("cluster", "architecture"),
            f"it is missing, and this host's ({seed.architecture or 'unknown'}) is none that volumes are built for",
            expected="one of " + ", ".join(platforms.ARCHITECTURES),
        )


def os_of_parallelcluster(seed: Draft) -> Iterator[Finding]:
    name = seed.get("cluster", "os")
    if seed.provider == "aws" and name and name not in platforms.PCLUSTER_OPERATING_SYSTEMS:
        expected = "one of " + ", ".join(platforms.PCLUSTER_OPERATING_SYSTEMS)
        yield Finding(("cluster", "os"), "AWS ParallelCluster has no images of it", name, expected)


def one_architecture(seed: Draft) -> Iterator[Finding]:
    """Head, queues and build host share the volume, so they share its architecture."""
    if seed.provider != "aws":
        return
    types: list[tuple[Path, Any]] = [(("compute", "head_node"), seed.get("compute", "head_node"))]
    for path, queue in seed.entries("compute", "queues"):
        types += [((*path, "instance_types", i), name) for i, name in enumerate(queue.get("instance_types", ()))]
    types.append((("software", "build", "instance_type"), seed.get("software", "build", "instance_type")))
    for path, name in types:
        if name and platforms.architecture_of(name) != seed.architecture:
            yield Finding(
                path,
                f"this instance type is {platforms.architecture_of(name)}, the cluster is {seed.architecture}",
                name,
                "instance types of one architecture",
            )


def queue_counts(seed: Draft) -> Iterator[Finding]:
    for path, queue in seed.entries("compute", "queues"):
        low, high = queue.get("min_count", 0), queue.get("max_count", DEFAULT_MAX_COUNT)
        if low > high:
            yield Finding((*path, "min_count"), f"it is larger than max_count ({high})", low)


def custom_ami_is_legacy(seed: Draft) -> Iterator[Finding]:
    # Of a hybrid seed it is the image that the volume is built against.
    hybrid = seed.get("software", "in_ami")
    if seed.get("compute", "custom_ami") and seed.os not in platforms.WITHOUT_IMAGE and not hybrid:
        yield Finding(
            ("compute", "custom_ami"),
            "images with software inside are the legacy tier and deprecated",
            hint=f"{MIGRATION_GUIDE} shows the way to a software volume",
        )


def sources_are_clear(seed: Draft) -> Iterator[Finding]:
    priorities: set[int] = set()
    seen: set[tuple[str, Any, Any]] = set()
    for path, source in seed.entries("snapshot_sources"):
        kind, priority = source.get("type"), source.get("priority")
        account, store = source.get("account"), source.get("store")
        wrong = any(seed.report.is_wrong((*path, key)) for key in ("account", "store"))
        if kind == "organization" and account is None and store is None and not wrong:
            yield Finding(
                (*path, "account"), "a source of type organization needs an account, or a store (provider local)"
            )
        if account is not None and store is not None:
            yield Finding((*path, "store"), "an account and a store are two sources", store)
        if kind == "local" and account is not None:
            yield Finding((*path, "account"), "a source of type local takes no account: it is one's own", account)
        if kind not in (None, "organization") and store is not None:
            yield Finding((*path, "store"), f"a source of type {kind} takes no store", store)
        if priority in priorities:
            yield Finding((*path, "priority"), "another source has this priority: which one is first?", priority)
        if kind and (kind, account, store) in seen:
            yield Finding(path, "the same source is there twice")
        priorities |= {priority} if priority else set()
        seen |= {(kind, account, store)} if kind else set()


RULES: tuple[tuple[str, Rule], ...] = (
    (ERROR, aws_wants_region),
    (ERROR, known_os),
    (ERROR, known_architecture),
    (ERROR, os_of_parallelcluster),
    (ERROR, one_architecture),
    (ERROR, queue_counts),
    (WARNING, custom_ami_is_legacy),
    (ERROR, at_most_five_volumes),
    (ERROR, software_volume_is_clear),
    (ERROR, mount_dirs_apart),
    (ERROR, ebs_performance),
    (ERROR, key_wants_encryption),
    (WARNING, local_has_no_use_for),
    (ERROR, s3_mounts_apart),
    (WARNING, s3_hides_software),
    (WARNING, something_to_install),
    (WARNING, packages_once),
    (WARNING, hashes_are_fleeting),
    (ERROR, specs_fit_the_system),
    (ERROR, target_fits_the_architecture),
    (WARNING, switches_before_compilers),
    (WARNING, vendors_keep_theirs),
    (ERROR, compiler_is_one),
    (ERROR, names_once),
    (ERROR, environments_once),
    (ERROR, modulefiles_have_names_of_their_own),
    (WARNING, modulefiles_hide_packages),
    (ERROR, image_is_of_aws),
    (ERROR, one_place_for_a_package),
    (ERROR, image_has_what_it_names),
    (ERROR, compiler_of_all_is_in_the_image),
    (ERROR, own_image_is_named),
    (ERROR, spack_is_of_today),
    (ERROR, recipes_are_somewhere),
    (WARNING, refs_are_pinned),
    (WARNING, specs_are_pinned),
    (WARNING, requirements_are_pinned),
    (ERROR, builds_something),
    (ERROR, as_of_is_past),
    (WARNING, as_of_is_over),
    (ERROR, sources_are_clear),
)
