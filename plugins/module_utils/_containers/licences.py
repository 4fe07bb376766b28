# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Licences as distributions write them, as SPDX expressions.

Debian has names of its own (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0), Fedora and what comes
of it had others before it took those of SPDX. What is no such name stays as it is, and so is not known.
"""

from __future__ import annotations

import re

from ansible_collections.petal.hpc.plugins.module_utils._audit.spdx import LENGTH_LIMIT, is_known, standing
from ansible_collections.petal.hpc.plugins.module_utils._audit.table import EXCEPTIONS

#: Of a copyright file, what is looked at.
COPYRIGHT_LIMIT = 16 * 1024**2
#: For what a distribution itself keeps apart as not free.
NOT_FREE = "LicenseRef-Not-Open"

_PUBLIC, _SOME = "LicenseRef-Public-Domain", "LicenseRef-OSI-Approved"
# Several words that are one name; each is taken before a text is parted into words.
_PHRASES = {
    "artistic 2.0": "Artistic-2.0",
    "asl 1.1": "Apache-1.1",
    "asl 2.0": "Apache-2.0",
    "bsd with advertising": "BSD-4-Clause",
    "mit with advertising": "MIT-advertising",
    "public domain": _PUBLIC,
    "redistributable, no modification permitted": NOT_FREE,
}
_PHRASE = re.compile("|".join(map(re.escape, _PHRASES)), re.IGNORECASE)
_NAMES = {
    "all-permissive": "FSFAP",
    "artistic": "Artistic-1.0-Perl",
    "artistic-1": "Artistic-1.0-Perl",
    "artistic-2": "Artistic-2.0",
    "artistic2.0": "Artistic-2.0",
    "asl-2": "Apache-2.0",
    "boost": "BSL-1.0",
    "boost-1.0": "BSL-1.0",
    "and/or": "AND",
    "apache-2": "Apache-2.0",
    "bsd-2": "BSD-2-Clause",
    "bsd-3": "BSD-3-Clause",
    "bsd-4": "BSD-4-Clause",
    "bsl": "BSL-1.0",
    "bsl-1": "BSL-1.0",
    "bsd2": "BSD-2-Clause",
    "bsd3": "BSD-3-Clause",
    "bzip2": "bzip2-1.0.6",
    "bsd-variant": _SOME,
    "cc-by": "CC-BY-4.0",
    "cc-by-sa": "CC-BY-SA-4.0",
    "cc0": "CC0-1.0",
    "expat": "MIT",
    "fsf-unlimited": "FSFUL",
    "gpl+": "GPL-1.0-or-later",
    "gpl-any": "GPL-1.0-or-later",
    "lgpl+": "LGPL-2.0-or-later",
    "mit-style": _SOME,
    "mit/x11": "X11",
    "openldap": "OLDAP-2.8",
    "openldap-2.8": "OLDAP-2.8",
    "pd": _PUBLIC,
    "permissive-fsf": "FSFULLR",
    "permissive-nowarranty": "FSFAP",
    "perl": "GPL-1.0-or-later OR Artistic-1.0-Perl",
    "psf-2": "PSF-2.0",
    "python": "Python-2.0",
    "sil": "OFL-1.1",
    "sil-1.1": "OFL-1.1",
    "unicode": "Unicode-DFS-2016",
    "x11-style": _SOME,
    "zlib/libpng": "Zlib",
}
# GPL-2+, GPLv2+, LGPL-2.1, AGPLv3, GFDL-NIV-1.3+, GFDL-1.2-or-later.
_GNU = re.compile(
    r"(agpl|lgpl|gpl|gfdl)-?(?:niv-)?v?([123])(?:\.([0-9]))?(\+|-or-later|-only)?(?:-niv|-no-invariants?)?(?:[-~].{1,80}exception)?"
)
_BEGINNINGS = (
    ("bsd-2-clause", "BSD-2-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("bsd-4-clause", "BSD-4-Clause"),
    ("mpl-2", "MPL-2.0"),
    ("expat-", "MIT"),
    ("public-domain", _PUBLIC),
    ("permissive-autoconf", "FSFULLR"),
    ("permissive-configure", "FSFUL"),
)
_WORD = re.compile(r"[(),]|[^\s(),]+")
_FORMAT = re.compile(r"(?i)\A\s{0,100}format(?:-specification)?:")
_COMMON = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9.-]{1,40})")
_COMMON_NAMES = {
    "Apache-2.0": "Apache-2.0",
    "Artistic": "Artistic-1.0-Perl",
    "BSD": "BSD-3-Clause",
    "CC0-1.0": "CC0-1.0",
    "GFDL": "GFDL-1.3-only",
    "GFDL-1.2": "GFDL-1.2-only",
    "GFDL-1.3": "GFDL-1.3-only",
    "GPL": "GPL-3.0",
    "GPL-1": "GPL-1.0",
    "GPL-2": "GPL-2.0",
    "GPL-3": "GPL-3.0",
    "LGPL": "LGPL-3.0",
    "LGPL-2": "LGPL-2.0",
    "LGPL-2.1": "LGPL-2.1",
    "LGPL-3": "LGPL-3.0",
    "MPL-1.1": "MPL-1.1",
    "MPL-2.0": "MPL-2.0",
}
# Where a text that nobody has structured says this, its naming a free licence too tells nothing of the rest.
_DOUBT = re.compile(
    r"(?i)\b(?:eula|end.user.licen[cs]e|proprietary|non-?commercial|not be (?:re)?distributed|confidential)\b"
)


def expression(text: str) -> str:
    """An SPDX expression for what a distribution says, as far as its names are known; else the same text.

    >>> expression("GPLv2+ and LGPLv2+ with exceptions"), expression("GPL-2+ or Expat, and Zlib")
    ('GPL-2.0-or-later AND LGPL-2.0-or-later', '(GPL-2.0-or-later OR MIT) AND Zlib')
    """
    plain = " ".join(text.split())
    if not plain or len(plain) > LENGTH_LIMIT:
        return plain
    short = _PHRASE.sub(lambda found: _PHRASES[found[0].lower()], plain)
    # A comma binds loosest, with the operator behind it.
    groups: list[list[str]] = [[]]
    operators: list[str] = []
    for word in _without_exceptions(_WORD.findall(short)):
        if word == ",":
            groups.append([])
        elif word.lower() in ("and", "or") and len(groups) > 1 and not groups[-1] and len(operators) < len(groups) - 1:
            operators.append(word.upper())
        else:
            groups[-1].append(_named(word))
    told = [" ".join(group) for group in groups if group]
    if len(told) > 1:
        told = [f"({one})" if " " in one else one for one in told]
    found = "".join(f"{one} {operator} " for one, operator in zip(told, [*operators, *["AND"] * len(told)]))
    found = found.rpartition(" ")[0].rpartition(" ")[0]
    return found if is_known(found) else plain


def _without_exceptions(words: list[str]) -> list[str]:
    """What an exception adds are permissions; what else may stand behind "with" stays, and is not known."""
    found: list[str] = []
    place = 0
    while place < len(words):
        behind = [word.lower() for word in words[place + 1 : place + 6]] if words[place].lower() == "with" else []
        length = next((number for number, word in enumerate(behind, 1) if "exception" in word), 0)
        if length and behind[0] not in EXCEPTIONS and not {"and", "or", "(", ")", ","} & set(behind[: length - 1]):
            place += length + 1
        else:
            found.append(words[place])
            place += 1
    return found


def _named(word: str) -> str:
    low = word.lower()
    if low in ("and", "or", "with", "(", ")"):
        return low.upper()
    if low in _NAMES:
        found = _NAMES[low]
        return f"({found})" if " " in found else found
    gnu = _GNU.fullmatch(low)
    if gnu:
        family, major, minor, later = gnu.groups()
        return f"{family.upper()}-{major}.{minor or 0}-{'or-later' if later in ('+', '-or-later') else 'only'}"
    if is_known(word):
        return word
    return next((name for beginning, name in _BEGINNINGS if low.startswith(beginning)), word)


def of_copyright(text: str) -> str:
    """The licences that a copyright file of Debian's names, together; empty where it names none.

    Of one in the format for machines those of all files. Of one for people those to whose text it refers, where
    nothing in it raises a doubt.
    """
    if _FORMAT.match(text):
        return _together(_of_files(text))
    if _DOUBT.search(text):
        return ""
    names = [_COMMON_NAMES.get(name.rstrip(".-"), "") for name in _COMMON.findall(text)]
    return " AND ".join(name for name in dict.fromkeys(names) if name)


def _of_files(text: str) -> list[str]:
    """The first lines of the field License, of all paragraphs that are about files; else of the first one."""
    header, found = "", {}
    about_files = in_files = False
    for number, line in enumerate(text.splitlines()):
        if not line.strip():
            about_files = False
            continue
        key, colon, value = line.partition(":")
        key = key.lower()
        if not colon or line[0] in " \t#":
            continue
        about_files = about_files or key == "files"
        in_files = in_files or about_files
        if key == "license" and value.strip():
            if about_files:
                found[value.strip()] = number
            elif not in_files and not header:
                header = value.strip()
    return list(found) or ([header] if header else [])


def _together(names: list[str]) -> str:
    """All of them with AND, each once, those first of which it matters, in at most the length that counts as known."""
    told = list(dict.fromkeys(expression(name) for name in names))
    told.sort(key=lambda one: standing(one) == "open")
    parts = [f"({one})" if len(told) > 1 and (" OR " in one or " or " in one) else one for one in told]
    found = ""
    for part in parts:
        longer = f"{found} AND {part}" if found else part
        if len(longer) > LENGTH_LIMIT:
            break
        found = longer
    return found
