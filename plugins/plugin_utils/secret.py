# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a secret from where it is kept, on the controller."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ansible.errors import AnsibleError

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.references import (
    ENVIRONMENT,
    FILE,
    PARAMETER,
    SECRET,
    Reference,
)

#: amazon.aws's own lookups.
PLUGINS = {PARAMETER: "amazon.aws.ssm_parameter", SECRET: "amazon.aws.secretsmanager_secret"}
#: Bytes of a secret.
LARGEST = 65536


class Looks(Protocol):
    """A lookup of Ansible's."""

    def run(self, terms: list[str], variables: Any, **options: Any) -> list[Any]:
        """Terms in, what is found out."""


def secret(
    reference: Reference, what: str, region: str, look: Callable[[str], Looks], variables: Mapping[str, Any]
) -> str:
    """The secret that a reference names. Raises PetalError.

    :param what: what it is to be called in messages. region: of AWS, where the reference does not say it.
    :param look: gives a lookup by its name.
    """
    where = f"{what} ({reference.kind}:{reference.name})"
    if reference.kind == FILE:
        found = _file(reference.name, where)
    elif reference.kind == ENVIRONMENT:
        found = os.environ.get(reference.name, "")
    else:
        options = {"region": reference.region or region} if reference.region or region else {}
        try:
            (found,) = look(PLUGINS[reference.kind]).run([reference.name], variables, **options)
        except AnsibleError as error:
            raise PetalError(f"{where} could not be read with the controller's credentials: {error}") from None
    if not str(found).strip():
        raise PetalError(f"{where} is empty on the controller; expected the secret there")
    return str(found)


def _file(name: str, where: str) -> str:
    try:
        with Path(name).expanduser().open(encoding="utf-8") as stream:
            text = stream.read(LARGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise PetalError(f"{where} cannot be read on the controller: {reason}") from None
    except RuntimeError:
        raise PetalError(f"{where} cannot be read on the controller: nobody there has that home directory") from None
    if len(text) > LARGEST:
        raise PetalError(f"{where} is longer than {LARGEST} characters; expected the secret and nothing else there")
    return text
