"""Every variable of the roles of a build: in the fingerprint, the seed's own, or why it decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.petal.hpc.plugins.module_utils._seed import inputs

ROOT = Path(__file__).resolve().parents[3]
ROLES = (
    *("spack", "lmod", "python_environments", "containers", "software_volume"),
    *("snapshots", "volume_base", "volume_build", "build_host", "cluster"),
)

WHERE_FROM = "where something is fetched from; what it is, a commit, a digest or a checksum decides"
OFF_VOLUME = "a place off the volume"
PATIENCE = "how long, how often or how many at a time"
BUILDER = "what is installed on the build host to build with, and leaves nothing on the volume"
RESULT = "what another role has returned, not what a site sets"
ELSEWHERE = "no build reads it: it is about finding, sharing, copying, deploying or verifying"
HOST = "which host builds, and how it is reached and kept"

#: Why a variable is not in the fingerprint.
REASONS = {
    "spack_for_image": "refuses to build and decides nothing; a build sets it itself",
    "spack_in_image": "in the fingerprint: software.in_ami of the seed; a build sets it itself",
    "spack_resolved_refs": "in the fingerprint: commits of the branches that the seed names",
    "snapshots_known_refs": "in the fingerprint: what tags and branches of the seed stand for",
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
    "spack_own_cache": OFF_VOLUME,
    "spack_own_cache_limit": OFF_VOLUME,
    "spack_hand_on": "what gets packages beside the volume",
    "spack_package_cache_valid_time": PATIENCE,
    "spack_jobs": PATIENCE,
    "spack_build_parallel": PATIENCE,
    "spack_build_farm": HOST,
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
    "lmod_targets": RESULT,
    "lmod_spack_wait": PATIENCE,
    "python_environments_cache_dir": OFF_VOLUME,
    "python_environments_build_user": "who builds; everything belongs to root in the end",
    "python_environments_uv_sha256": "a check of what python_environments_uv_version names, which decides",
    "python_environments_python_mirror": WHERE_FROM,
    "python_environments_system_certificates": "whom downloads are trusted from; requirements and indexes decide",
    "python_environments_verify": "a check after the installation",
    "python_environments_package_cache_valid_time": PATIENCE,
    "containers_architecture": "the seed's own, which is in the fingerprint; a build sets it itself",
    "containers_images": "what the entry point resolve is asked, which the caller sets",
    "containers_auth_from": WHERE_FROM,
    "containers_insecure_registries": WHERE_FROM,
    "containers_mirror_dir": WHERE_FROM,
    "containers_apptainer_directory": WHERE_FROM,
    "containers_apptainer_archive": WHERE_FROM,
    "containers_build_user": "who unpacks; everything belongs to root in the end",
    "containers_cache_dir": OFF_VOLUME,
    "containers_spack_packages": RESULT,
    "containers_package_cache_valid_time": PATIENCE,
    "spack_seed_overrides": "a part of the seed: what stands in place of its own",
    "software_volume_seed_path": "the seed itself",
    "snapshots_seed_path": "the seed itself",
    "volume_build_seed_path": "the seed itself",
    "software_volume_overrides": "a part of the seed: what stands in place of its own",
    "snapshots_overrides": "a part of the seed: what stands in place of its own",
    "software_volume_builder_id": "what the provenance of the snapshot says of the builder",
    "volume_build_builder_id": "what the provenance of the snapshot says of the builder",
    "software_volume_plan": "made from the seed and the fingerprint",
    "snapshots_plan": "made from the seed and the fingerprint",
    "volume_build_plan": "made from the seed and the fingerprint",
    "volume_base_plan": "made from the seed and the fingerprint",
    "volume_base_from": "how much is there already; what comes of it is the same",
    "volume_base_made_from": RESULT,
    "volume_base_given": RESULT,
    "build_host_plan": "made from the seed and the fingerprint",
    "cluster_plan": "made from the seed and the fingerprint",
    **dict.fromkeys(
        (
            *("software_volume_modules", "software_volume_packages", "software_volume_versions"),
            *("software_volume_foundation", "software_volume_requires", "software_volume_targets"),
        ),
        RESULT,
    ),
    "software_volume_audit_accept": "what the audit says of the volume, and no software",
    "software_volume_audit_licences": "what the audit says of the volume, and no software",
    **dict.fromkeys(
        (
            *(
                "software_volume_verify_user",
                "software_volume_rollback",
            ),
            *("software_volume_users_and_mounts", "software_volume_junit", "software_volume_verify_slurm_options"),
            *("snapshots_asks", "snapshots_force", "snapshots_snapshot_id", "snapshots_snapshot_sources"),
            *("snapshots_site_registry", "snapshots_signing_key", "snapshots_registry_private_redirects"),
            *("snapshots_share_accounts", "snapshots_share_accounts_file", "snapshots_share_public"),
            *("snapshots_share_purge", "snapshots_share_unaudited", "snapshots_osv"),
            *("snapshots_copy_regions", "snapshots_copy_encrypted", "snapshots_copy_kms_key_id"),
            *("snapshots_copy_kms_key_ids", "snapshots_copy_owners", "snapshots_file"),
            *("snapshots_share_store", "snapshots_store_endpoint_url", "snapshots_store_region"),
            *("snapshots_since", "snapshots_list_shared", "snapshots_trusted_signers", "snapshots_trusted_stores"),
            *("snapshots_trusted_accounts", "snapshots_require_signatures", "snapshots_unsigned"),
            *("snapshots_retention", "snapshots_provider", "volume_build_force", "volume_build_signing_key"),
            *("volume_build_older_than", "volume_build_cleanup_build", "volume_build_cleanup_detached"),
            *("volume_build_cleanup_kept", "volume_build_kept_days", "volume_build_cleanup_provider"),
            *("volume_build_store_region", "build_host_watch", "build_host_log"),
            *("cluster_snapshot_id", "cluster_versions_dir", "cluster_rollback"),
            *("cluster_nfs_server", "cluster_nfs_clients", "cluster_nfs_options"),
            *("cluster_switch", "cluster_slurm_node"),
        ),
        ELSEWHERE,
    ),
    **dict.fromkeys(
        (
            *("software_volume_own_cache", "software_volume_own_cache_limit", "software_volume_build_farm"),
            *("software_volume_detach", "snapshots_store_host", "snapshots_store"),
            *("snapshots_region", "volume_build_keep_on_failure", "volume_build_store_host"),
            *("volume_build_store", "volume_build_region", "volume_build_ssh_key_dir"),
            *("build_host_logs_dir", "build_host_store_host", "build_host_store"),
            *("build_host_subnet_ids", "build_host_vpc_cidr", "build_host_controller_cidr"),
            *("build_host_private_address", "build_host_connection", "build_host_ssm_bucket"),
            *("build_host_host_keys", "build_host_instance_profile", "build_host_root_size_gb"),
            *("build_host_ssh_key_dir", "cluster_store_host", "cluster_store"),
            *("volume_base_store_host", "volume_base_store"),
        ),
        HOST,
    ),
    **dict.fromkeys(
        (
            *("software_volume_verify_queue_timeout", "snapshots_snapshot_timeout", "snapshots_poll_interval"),
            *(
                "volume_build_lock_timeout",
                "volume_build_lock_ttl",
            ),
            *("build_host_launch_timeout", "build_host_ssh_timeout"),
            *("build_host_device_timeout", "build_host_patience", "cluster_switch_timeout"),
            *("cluster_switch_poll",),
        ),
        PATIENCE,
    ),
    "snapshots_fingerprint": "asks for a fingerprint, and makes none",
    "volume_build_ami_id": "an image of the seed's system and architecture: both are in the fingerprint",
    "build_host_ami_id": "an image of the seed's system and architecture: both are in the fingerprint",
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
