# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The licence of a Python package, from its metadata, as an SPDX expression."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.petal.hpc.plugins.module_utils._audit.spdx import is_known
from ansible_collections.petal.hpc.plugins.module_utils._audit.table import ALIASES

_PREFIX = "License ::"
_OSI = "License :: OSI Approved"
# Classifiers of PyPI that name one licence.
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "Artistic License": "Artistic-2.0",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CEA CNRS Inria Logiciel Libre License, version 2.1 (CeCILL-2.1)": "CECILL-2.1",
    "Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "European Union Public Licence 1.1 (EUPL 1.1)": "EUPL-1.1",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PostgreSQL License": "PostgreSQL",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "University of Illinois/NCSA Open Source License": "NCSA",
    "Zero-Clause BSD (0BSD)": "0BSD",
    "Zope Public License": "ZPL-2.1",
    "zlib/libpng License": "Zlib",
}
_OTHERS = {
    "License :: CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "License :: Public Domain": "LicenseRef-Public-Domain",
    "License :: CeCILL-B Free Software License Agreement (CECILL-B)": "CECILL-B",
    "License :: CeCILL-C Free Software License Agreement (CECILL-C)": "CECILL-C",
}
# OSI has approved it, but the classifier does not say which of its versions it is.
_SOME_OSI = "LicenseRef-OSI-Approved"
_NOT_OPEN = "LicenseRef-Not-Open"


def package_licence(expression: str | None, classifiers: Sequence[str], free_text: str | None) -> str | None:
    """An SPDX expression; None where the metadata does not tell.

    :param expression: ``License-Expression`` (PEP 639), which is taken as it is.
    :param classifiers: all; those about the licence count. Several are taken together with AND, the stricter reading,
        as they do not say whether one may choose (PEP 639).
    :param free_text: ``License``, which counts where it is an expression or a name that is known.

    >>> package_licence(None, ["License :: OSI Approved :: BSD License"], "BSD-3-Clause")
    'BSD-3-Clause'
    """
    if expression and expression.strip():
        return expression.strip()
    said = (free_text or "").strip()
    told = ALIASES.get(" ".join(said.lower().split()), said) if is_known(said) else None
    found = [_classified(one) for one in classifiers if one.startswith(_PREFIX) and one != _OSI]
    named = list(dict.fromkeys(one for one in found if one))
    # "BSD License" is less than what the other field may say.
    if told and set(named) <= {_SOME_OSI}:
        return told
    return " AND ".join(named) or None


def _classified(classifier: str) -> str | None:
    name = classifier.rpartition(" :: ")[2]
    if classifier.startswith(_OSI + " ::"):
        return _CLASSIFIERS.get(name, _SOME_OSI)
    if classifier in _OTHERS:
        return _OTHERS[classifier]
    # "Other/Proprietary", "Free for non-commercial use", …; a restriction is no doubt.
    return _NOT_OPEN
