"""Distributions' names of licences are SPDX's where it is known what they mean, and stay what they are where not."""

from __future__ import annotations

import pytest
from image_samples import COPYRIGHT

from ansible_collections.petal.hpc.plugins.module_utils._audit.spdx import standing
from ansible_collections.petal.hpc.plugins.module_utils._containers.licences import expression, of_copyright


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("GPL-2+", "GPL-2.0-or-later"),
        ("Expat", "MIT"),
        ("GPL-1+ or Artistic", "GPL-1.0-or-later OR Artistic-1.0-Perl"),
        ("GPL-2+ or Expat, and Zlib", "(GPL-2.0-or-later OR MIT) AND Zlib"),
        ("GPL-3+ with GCC-Runtime-Library-exception", "GPL-3.0-or-later"),
        ("GPL-2+-with-Autoconf-exception", "GPL-2.0-or-later"),
        ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
        ("GFDL-NIV-1.3+", "GFDL-1.3-or-later"),
        ("BSD-3-clause-Google", "BSD-3-Clause"),
        ("GPLv2+ and LGPLv2+ with exceptions", "GPL-2.0-or-later AND LGPL-2.0-or-later"),
        ("ASL 2.0 and Public Domain", "Apache-2.0 AND LicenseRef-Public-Domain"),
        ("MIT AND BSD-3-Clause", "MIT AND BSD-3-Clause"),
        ("permissive-of-my-own", "permissive-of-my-own"),
        ("LGPL-2.1+ with Commons-Clause", "LGPL-2.1+ with Commons-Clause"),
        ("", ""),
    ],
)
def test_names_of_distributions(text: str, wanted: str) -> None:
    assert expression(text) == wanted


def test_what_may_not_be_changed_is_not_open() -> None:
    assert standing(expression("GPLv2+ and Redistributable, no modification permitted")) == "not open"


def test_all_files_of_a_copyright_for_machines_count() -> None:
    assert of_copyright(COPYRIGHT) == "GPL-2.0-or-later AND (MIT OR Artistic-1.0-Perl)"


def test_what_is_not_known_stands_first() -> None:
    found = of_copyright(COPYRIGHT.replace("Expat or Artistic", "of-my-own"))
    assert found == "of-my-own AND GPL-2.0-or-later" and standing(found) == "unknown"


def test_very_many_do_not_hide_the_one_that_is_not_open() -> None:
    many = "".join(f"Files: {number}\nLicense: GPL-2+ or BSD-3-clause-{number:0>60}\n\n" for number in range(100))
    assert standing(of_copyright(f"Format: x\n\n{many}Files: z\nLicense: CC-BY-NC-4.0\n")) == "not open"


def test_a_licence_of_the_header_alone() -> None:
    assert of_copyright("Format: x\nLicense: ISC\n") == "ISC"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It is under the GPL, see /usr/share/common-licenses/GPL-2.", "GPL-2.0"),
        (
            "/usr/share/common-licenses/LGPL-2.1 and /usr/share/common-licenses/Artistic",
            "LGPL-2.1 AND Artistic-1.0-Perl",
        ),
        ("Its packaging is under /usr/share/common-licenses/GPL-2, the program under an EULA.", ""),
        ("Do as you like.", ""),
        ("", ""),
    ],
)
def test_a_copyright_for_people(text: str, wanted: str) -> None:
    assert of_copyright(text) == wanted
