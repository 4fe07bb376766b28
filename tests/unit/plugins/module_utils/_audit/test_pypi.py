"""Licences in the metadata of Python packages, as they stand on PyPI."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._audit.pypi import package_licence
from ansible_collections.petal.hpc.plugins.module_utils._audit.spdx import IS_NOT_OPEN, IS_OPEN, IS_UNKNOWN, standing

OSI = "License :: OSI Approved"


@pytest.mark.parametrize(
    ("expression", "classifiers", "text", "licence", "stands"),
    [
        ("Apache-2.0 AND CNRI-Python", [], None, "Apache-2.0 AND CNRI-Python", IS_OPEN),
        ("MIT", [f"{OSI} :: Apache Software License"], "x", "MIT", IS_OPEN),
        (None, [f"{OSI} :: MIT License"], None, "MIT", IS_OPEN),
        (None, [f"{OSI} :: BSD License"], "BSD-3-Clause", "BSD-3-Clause", IS_OPEN),
        # numpy 2.2: the whole text of the licence stands where its name belongs.
        (None, [f"{OSI} :: BSD License"], "Copyright (c) 2005-2024\n" * 900, "LicenseRef-OSI-Approved", IS_OPEN),
        (None, [f"{OSI} :: BSD License", f"{OSI} :: Apache Software License"], "Dual License", None, IS_OPEN),
        (None, [], "Apache 2.0", "Apache-2.0", IS_OPEN),
        (None, [OSI], "MIT", "MIT", IS_OPEN),
        (None, [OSI], None, None, IS_UNKNOWN),
        (None, [], "See LICENSE", None, IS_UNKNOWN),
        (None, [], None, None, IS_UNKNOWN),
        ("", ["Programming Language :: Python"], "UNKNOWN", None, IS_UNKNOWN),
        # nvidia-cublas-cu12
        (None, ["License :: Other/Proprietary License"], "NVIDIA Proprietary Software", None, IS_NOT_OPEN),
        (None, ["License :: Free for non-commercial use"], "MIT", None, IS_NOT_OPEN),
        (None, [f"{OSI} :: MIT License", "License :: Other/Proprietary License"], None, None, IS_NOT_OPEN),
        (None, ["License :: Public Domain"], None, None, IS_OPEN),
    ],
)
def test_package_licence(
    expression: str | None, classifiers: list[str], text: str | None, licence: str | None, stands: str
) -> None:
    found = package_licence(expression, classifiers, text)
    if licence is not None:
        assert found == licence
    assert standing(found) == stands
