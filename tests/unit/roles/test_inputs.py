"""Every variable of the roles that write on a volume: in the fingerprint, the seed's own, or why it decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.petal.hpc.plugins.module_utils._seed import inputs

ROOT = Path(__file__).resolve().parents[3]
ROLES = ("spack", "lmod", "python_environments", "software_volume")

WHERE_FROM = "where something is fetched from; what it is, a commit, a digest or a checksum decides"
OFF_VOLUME = "a place off the volume"
PATIENCE = "how long, how often or how many at a time"
BUILDER = "what is installed on the build host to build with, and leaves nothing on the volume"
RESULT = "what another role has returned, not what a site sets"
ELSEWHERE = "no build reads it: it is about finding, sharing, copying, deploying or verifying"
HOST = "which host builds, and how it is reached and kept"

#: Why a variable is not in the fingerprint.
REASONS = {
    "spack_resolved_refs": "in the fingerprint: commits of the branches that the seed names",
    "spack_mirror_dir": WHERE_FROM,
    "spack_git_url": WHERE_FROM,
    "spack_packages_git_url": WHERE_FROM,
    "spack_mirrors": WHERE_FROM,
    "spack_index_url": BUILDER,
    "spack_extra_index_urls": BUILDER,
    "spack_host_config": BUILDER,
    "spack_python": BUILDER,
    "spack_cache_dir": OFF_VOLUME,
    "spack_work_dir": OFF_VOLUME,
    "spack_package_cache_valid_time": PATIENCE,
    "spack_jobs": PATIENCE,
    "spack_build_parallel": PATIENCE,
    "spack_timeout": PATIENCE,
    "spack_wait": PATIENCE,
    "spack_detach": PATIENCE,
    "spack_environment_name": "names a directory off the volume; a build sets it itself",
    "spack_seed_path": "the seed itself",
    "spack_mirror_lmod_version": "the playbook mirror alone reads it",
    "lmod_package_cache_valid_time": PATIENCE,
    "lmod_replace_environment_modules": BUILDER,
    "lmod_mirror_dir": WHERE_FROM,
    "lmod_work_dir": OFF_VOLUME,
    "lmod_spack": RESULT,
    "lmod_spack_wait": PATIENCE,
    "python_environments_cache_dir": OFF_VOLUME,
    "python_environments_build_user": "who builds; everything belongs to root in the end",
    "python_environments_uv_sha256": "a check of what python_environments_uv_version names, which decides",
    "python_environments_python_mirror": WHERE_FROM,
    "python_environments_system_certificates": "whom downloads are trusted from; requirements and indexes decide",
    "python_environments_verify": "a check after the installation",
    "python_environments_package_cache_valid_time": PATIENCE,
    **dict.fromkeys(
        (
            *("software_volume_modules", "software_volume_packages", "software_volume_versions"),
            *("software_volume_requires", "software_volume_foundation"),
        ),
        RESULT,
    ),
    "spack_seed_overrides": "a part of the seed: what stands in place of its own",
    "software_volume_overrides": "a part of the seed: what stands in place of its own",
    "software_volume_seed_path": "the seed itself",
    "software_volume_plan": "made from the seed and the fingerprint",
    "software_volume_fingerprint": "asks for a fingerprint, and makes none",
    "software_volume_builder_id": "what the provenance of the snapshot says of the builder",
    "software_volume_audit_accept": "what the audit says of the volume, and no software",
    "software_volume_audit_licences": "what the audit says of the volume, and no software",
    **dict.fromkeys(
        (
            *("software_volume_build_host", "software_volume_store", "software_volume_region"),
            *("software_volume_subnet_ids", "software_volume_vpc_cidr", "software_volume_controller_cidr"),
            *("software_volume_private_address", "software_volume_connection", "software_volume_ssm_bucket"),
            "software_volume_host_keys",
            *("software_volume_instance_profile", "software_volume_root_size_gb", "software_volume_ssh_key_dir"),
            *("software_volume_logs_dir", "software_volume_detach", "software_volume_keep_on_failure"),
        ),
        HOST,
    ),
    "software_volume_ami_id": "an image of the seed's system and architecture: both are in the fingerprint",
    **dict.fromkeys(
        (
            *("software_volume_lock_timeout", "software_volume_lock_ttl", "software_volume_launch_timeout"),
            *("software_volume_ssh_timeout", "software_volume_device_timeout", "software_volume_snapshot_timeout"),
            *("software_volume_poll_interval", "software_volume_switch_timeout", "software_volume_switch_poll"),
            *("software_volume_verify_queue_timeout", "software_volume_patience"),
        ),
        PATIENCE,
    ),
    **dict.fromkeys(
        (
            *("software_volume_force", "software_volume_snapshot_id", "software_volume_snapshot_sources"),
            *("software_volume_verify_user", "software_volume_older_than", "software_volume_cleanup_detached"),
            *("software_volume_cleanup_provider", "software_volume_share_accounts", "software_volume_share_public"),
            *("software_volume_share_accounts_file", "software_volume_share_purge", "software_volume_share_unaudited"),
            *("software_volume_copy_regions", "software_volume_copy_encrypted", "software_volume_copy_kms_key_id"),
            *("software_volume_copy_kms_key_ids", "software_volume_copy_owners", "software_volume_file"),
            *("software_volume_share_store", "software_volume_store_endpoint_url", "software_volume_store_region"),
            *("software_volume_watch", "software_volume_versions_dir", "software_volume_rollback"),
            *("software_volume_nfs_server", "software_volume_nfs_clients", "software_volume_nfs_options"),
            *("software_volume_switch", "software_volume_slurm_node", "software_volume_users_and_mounts"),
            *("software_volume_site_registry", "software_volume_cleanup_kept", "software_volume_kept_days"),
            "software_volume_registry_private_redirects",
            *("software_volume_head_node_key_file", "software_volume_junit", "software_volume_verify_slurm_options"),
            *("software_volume_list_shared", "software_volume_cleanup_build", "software_volume_osv"),
            *("software_volume_trust", "software_volume_signing_key"),
        ),
        ELSEWHERE,
    ),
}


def defaults(role: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text())
    return found


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_is_asked(role: str) -> None:
    """Whoever adds a variable must say whether it decides bytes."""
    for name in defaults(role):
        answers = [name in table for table in (inputs.VARIABLES, inputs.RESOLVED, inputs.OF_SEED, REASONS)]
        assert answers.count(True) == 1, f"{name} is in {answers.count(True)} of the four tables"


def test_no_table_has_more() -> None:
    known = {name for role in ROLES for name in defaults(role)}
    # What the role spack finds out, and hands on.
    made = {"spack_repository_digests"}
    assert {*inputs.VARIABLES, *inputs.RESOLVED, *inputs.OF_SEED, *REASONS} - known == made


@pytest.mark.parametrize("name", inputs.VARIABLES)
def test_defaults_are_the_roles_own(name: str) -> None:
    """A variable at its default is not in the fingerprint: both have to mean the same default."""
    (value,) = [found[name] for found in map(defaults, ROLES) if name in found]
    assert inputs.VARIABLES[name] == value


def test_lists_without_order_are_told_from_those_with_one() -> None:
    assert {name for name, value in inputs.VARIABLES.items() if isinstance(value, list)} >= inputs.ORDERED


@pytest.mark.parametrize("os", ["alinux2023", "debian12", "rhel9"])
def test_lmod_comes_as_the_role_would_bring_it(os: str) -> None:
    assert inputs.default_lmod_method(os) == ("spack" if os == "alinux2023" else defaults("lmod")["lmod_method"])


def test_methods_are_the_roles_own() -> None:
    told = yaml.safe_load((ROOT / "roles" / "lmod" / "vars" / "main.yml").read_text())
    assert sorted(inputs.LMOD_METHODS) == sorted(told["lmod_methods"])
