# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins for the registries of a seed's images: a site's own, and those that AWS gives for Amazon ECR."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ansible_collections.petal.hpc.plugins.module_utils._containers import logins
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed import images

try:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    boto3 = None  # type: ignore[assignment]
    BotoCoreError = ClientError = Exception  # type: ignore[assignment,misc]


def needed(named: Iterable[str], own: Mapping[str, str], token: Callable[[str, str], str]) -> dict[str, str]:
    """The logins for some images and no others, by registry and repository.

    :param named: references as seeds have them. own: the site's. token: Region and registry → a login of Amazon ECR's.
    """
    found: dict[str, str] = {}
    for image in named:
        meant = images.parse(image)
        if meant.kind == images.FILE:
            continue
        auth = logins.chosen(own, meant.registry, meant.repository)
        if not auth and meant.ecr:
            auth = found.get(meant.registry) or token(meant.ecr[1], meant.registry)
            found[meant.registry] = auth
        elif auth:
            found[f"{meant.registry}/{meant.repository}"] = auth
    return found


def ecr_token(region: str, registry: str) -> str:
    """A login of Amazon ECR's, good for twelve hours, by the controller's credentials. Raises PetalError.

    Source: Amazon ECR, GetAuthorizationToken: the token is Base64 of ``AWS:PASSWORD``, and as good as its caller.
    """
    if boto3 is None:
        raise PetalError(f"a login for {registry} is asked of AWS with boto3, which the controller lacks: install it")
    try:
        answer = boto3.client("ecr", region_name=region).get_authorization_token()
        return str(answer["authorizationData"][0]["authorizationToken"])
    except (BotoCoreError, ClientError, LookupError) as error:
        raise PetalError(
            f"AWS gives no login for {registry}: {error}. The controller's credentials need ecr:GetAuthorizationToken, "
            "and ecr:BatchGetImage and ecr:GetDownloadUrlForLayer for its repositories (docs/containers.md)"
        ) from None
