"""A site's recipes of gcc and of what it needs, from Debian's source packages.

Debian takes documents that may not be changed out of some of upstream's archives and packs them anew, so their
checksums are others than those of Spack's recipes. Each recipe here is Spack's, with the checksum of Debian's archive,
and with what is needed where documents are missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

NAMESPACE = "debian_sources"
DEBIAN = "https://debian.invalid/pool/main"


@dataclass(frozen=True)
class Origin:
    """The archive of a package. source: Debian's source package and version; file: what apt brings; member: the archive
    in it, where it is packed twice; sha256: of what Spack unpacks. builder: a class beside the recipe's, by which Spack
    builds; body: lines of the recipe's class.
    """

    name: str
    version: str
    source: tuple[str, str]
    file: str
    sha256: str
    member: str = ""
    builder: str = ""
    body: str = ""

    @property
    def archive(self) -> str:
        return Path(self.member or self.file).name

    @property
    def url(self) -> str:
        """A name for what Spack unpacks, which apt brings to the mirror; empty where it is packed once more."""
        package = self.source[0]
        initial = package[:4] if package.startswith("lib") else package[0]
        return "" if self.member else f"{DEBIAN}/{initial}/{package}/{self.file}"


_GMP = '''\
def patch(self):
    """Its manual is not there."""
    filter_file(" doc/Makefile", " ", "configure.ac", string=True)
    filter_file(r"^(SUBDIRS = .*) doc$", r"\\1", "Makefile.am")
'''

_GCC = '''\
def patch(self):
    """The manual of its target hooks is not there: it is not made from the hooks, and what is there is the same."""
    super().patch()
    filter_file("$(RUN_GEN) build/genhooks$(build_exeext) -d", "cat", "gcc/Makefile.in", string=True)

def setup_build_environment(self, env):
    """No other manual either."""
    super().setup_build_environment(env)
    env.set("MAKEINFO", "missing")
'''

ORIGINS = (
    Origin(
        "zlib",
        "1.3.1",
        ("zlib", "1:1.3.dfsg+really1.3.1-1"),
        "zlib_1.3.dfsg+really1.3.1.orig.tar.gz",
        "60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb",
        builder="MakefileBuilder",
    ),
    Origin(
        "zstd",
        "1.5.7",
        ("libzstd", "1.5.7+dfsg-1"),
        "libzstd_1.5.7+dfsg.orig.tar.xz",
        "0c092ef267edce57ba7f3f2645c861f72eaf5e76273c6c3632869423464b90a5",
        builder="MakefileBuilder",
    ),
    Origin(
        "gmp",
        "6.3.0",
        ("gmp", "2:6.3.0+dfsg-3"),
        "gmp_6.3.0+dfsg.orig.tar.xz",
        "bd2966e6d277f79328e894a5a9f3ba3fbf2ed2be81def5f48623e30c23fb1572",
        body=_GMP,
    ),
    Origin(
        "mpfr",
        "4.2.2",
        ("mpfr4", "4.2.2-1"),
        "mpfr4_4.2.2.orig.tar.xz",
        "b67ba0383ef7e8a8563734e2e889ef5ec3c3b898a01d00fa0a6869ad81c6ce01",
    ),
    Origin(
        "gcc",
        "14.2.0",
        ("gcc-14", "14.2.0-19"),
        "gcc-14_14.2.0.orig.tar.gz",
        "8a4a42c41cabb37b61de3a5ef3ef62b4e10b79decfb504705b5cefa092da765f",
        member="gcc-14-14.2.0/gcc-14.2.0-dfsg.tar.xz",
        body=_GCC,
    ),
)

RECIPE = """\
from spack.package import *
from spack_repo.builtin.packages.{name}.package import {names}


class {class_name}({class_name}):
    __doc__ = {class_name}.__doc__

    # Of Debian's source package {package} {debian}.
    version("{version}", sha256="{sha256}"{url})
{body}"""


def recipe(origin: Origin) -> str:
    """The package.py of a package."""
    class_name = origin.name.capitalize()
    return RECIPE.format(
        name=origin.name,
        class_name=class_name,
        names=", ".join(name for name in (origin.builder, class_name) if name),
        package=origin.source[0],
        debian=origin.source[1],
        version=origin.version,
        sha256=origin.sha256,
        url=f', url="{origin.url}"' if origin.url else "",
        body="\n" + indent(origin.body, "    ") if origin.body else "",
    )


def files() -> Iterator[tuple[str, str]]:
    """Every file of the repository, by its path in it."""
    yield "repo.yaml", f"repo:\n  namespace: {NAMESPACE}\n  api: v2.0\n"
    for origin in ORIGINS:
        yield f"packages/{origin.name}/package.py", recipe(origin)


def write(directory: Path) -> None:
    """Write the repository into a directory that is not there yet."""
    for name, text in files():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
