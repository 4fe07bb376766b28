# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A build cache in a lab's S3, as a site has it: a bucket, a key that signs, a role of hosts that may use both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aws_build import Site
from ec2lab.settings import ENDPOINT
from modules import run_module
from playing import ROOT

TRUST = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}


def signing_key(directory: Path) -> Path:
    """Make a key that signs packages, outside of the lab."""
    key = directory / "site.key"
    run_module("spack_buildcache_keys", gnupghome=directory / "gpg", signing_key={"file": key, "create": True})
    return key


def provide(site: Site, name: str, key: Path) -> None:
    """Make all of it in the site's account.

    name: of bucket, role and instance profile; docs/iam/host-cache.json allows what begins with ``petal-cache-``.
    """
    session = site.cloud.session
    session.client("s3").create_bucket(Bucket=name)
    session.client("ssm").put_parameter(Name=f"/petal/{name}", Value=key.read_text(), Type="SecureString")
    users = session.client("iam")
    policy = {"Version": "2012-10-17", "Statement": [TRUST]}
    users.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(policy))
    own = (ROOT / "docs" / "iam" / "host-cache.json").read_text()
    users.put_role_policy(RoleName=name, PolicyName="cache", PolicyDocument=own)
    users.create_instance_profile(InstanceProfileName=name)
    users.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


def variables(name: str) -> dict[str, Any]:
    """Extra variables of a build that fills the cache and takes from it, on hosts that may."""
    return {
        "spack_buildcache_endpoint_url": ENDPOINT,
        "spack_buildcache_signing_key_from": f"ssm:/petal/{name}",
        "iam_instance_profile": name,
    }
