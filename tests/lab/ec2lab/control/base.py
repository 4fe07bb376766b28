"""What the hooked parts of the EC2 backend have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ec2.models import EC2Backend
from moto.kms.models import kms_backends

from ec2lab.control.world import World


def adopt(thing: Any, kind: Any) -> Any:
    """Give an object that moto made the lab's class: moto names its own wherever it makes one."""
    thing.__class__ = kind
    return thing


class BaseEC2(EC2Backend):
    """moto's backend of one account and Region, with the lab behind it."""

    world: World
    # While moto fills a new backend with images, nothing is real yet.
    loading = True

    @contextlib.contextmanager
    def unreal(self) -> Iterator[None]:
        """While moto makes something along the way that has no bytes."""
        self.loading = True
        try:
            yield
        finally:
            self.loading = False

    @property
    def _kms(self) -> Any:
        return kms_backends[self.account_id][self.region_name]

    def key_exists(self, key: str) -> bool:
        """Whether a KMS key, named in whatever way, is known in its account and this Region."""
        account, region = (
            (key.split(":")[4], key.split(":")[3]) if key.startswith("arn:") else (self.account_id, self.region_name)
        )
        if region != self.region_name:
            return False
        try:
            kms_backends[account][region].describe_key(key)
        except (ServiceException, KeyError, TypeError, AttributeError):  # moto's ways to say no
            return False
        return True

    def key_arn(self, key: str | None) -> str | None:
        """The ARN of a KMS key that is named in whatever way; as given where it is not known."""
        if not key or key.startswith("arn:") or not self.key_exists(key):
            return key
        return str(self._kms.describe_key(key).arn)

    def is_default_key(self, key: str | None) -> bool:
        """Whether it is the key that AWS manages for EBS, which cannot be shared."""
        return not key or bool(
            self._kms.alias_exists("alias/aws/ebs") and self._kms.describe_key("alias/aws/ebs").arn == key
        )
