"""Write a Spack as somebody has it who has none of this collection: below DIRECTORY, to be at PLACE on a host.

    plain_spack.py DIRECTORY PLACE

In it are a checkout, a few upstream recipes, their sources, the wheel of the solver, and settings of the site. What is
a user's to do is left to the user: to let Spack find the compiler.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import few_recipes
from spack_at_hand import SPACK_REF, mirror_dir, no_mirror
from spack_lab import fetch

#: Sources that are larger are not those of the few recipes.
LARGEST = 100 * 1024


def main(directory: Path, place: Path) -> None:
    mirror = mirror_dir()
    if mirror is None:
        sys.exit(f"plain_spack: {no_mirror()}")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    fetch(mirror / "spack.git", SPACK_REF, directory / "spack")
    few_recipes.write(mirror, directory / "packages", ["tree"])
    sources = mirror / "sources"
    for path in sources.rglob("*"):
        if path.is_file() and path.stat().st_size < LARGEST:
            target = directory / "sources" / path.relative_to(sources)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
    (directory / "wheels").mkdir()
    for wheel in mirror.glob("bootstrap/*.whl"):
        shutil.copy2(wheel, directory / "wheels")
    settings = {
        "repos:": {"builtin": f"{place}/packages/repos/spack_repo/builtin"},
        "mirrors:": {"sources": {"url": f"file://{place}/sources", "source": True, "binary": False}},
        "packages": {"gmake": {"buildable": False, "externals": [{"spec": "gmake@4.3", "prefix": "/usr"}]}},
    }
    site = directory / "spack" / "etc" / "spack" / "site"
    site.mkdir(parents=True, exist_ok=True)
    for name, content in settings.items():
        (site / f"{name.rstrip(':')}.yaml").write_text(json.dumps({name: content}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
