"""The recipes by which gcc is built from Debian's source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import compiler_recipes
import pytest
from compiler_recipes import ORIGINS, Origin


@pytest.mark.parametrize("origin", ORIGINS, ids=lambda origin: origin.name)
def test_a_recipe_is_spacks_own_with_another_checksum(origin: Origin) -> None:
    (recipe,) = (one for one in ast.parse(compiler_recipes.recipe(origin)).body if isinstance(one, ast.ClassDef))
    assert recipe.name == origin.name.capitalize()
    assert [ast.unparse(base) for base in recipe.bases] == [recipe.name]
    assert re.fullmatch("[0-9a-f]{64}", origin.sha256)
    assert f'version("{origin.version}", sha256="{origin.sha256}"' in compiler_recipes.recipe(origin)
    # Where Debian has it as it stands, the recipe says where.
    assert (origin.url in compiler_recipes.recipe(origin)) and (origin.url != "") == (origin.member == "")


def test_where_debian_has_them() -> None:
    found = {origin.name: origin.url.removeprefix(compiler_recipes.DEBIAN) for origin in ORIGINS}
    assert found["zstd"] == "/libz/libzstd/libzstd_1.5.7+dfsg.orig.tar.xz"
    assert found["gmp"] == "/g/gmp/gmp_6.3.0+dfsg.orig.tar.xz"


def test_a_repository_is_written(tmp_path: Path) -> None:
    compiler_recipes.write(tmp_path / "recipes")
    assert (tmp_path / "recipes" / "repo.yaml").read_text() == "repo:\n  namespace: debian_sources\n  api: v2.0\n"
    names = {path.parent.name for path in tmp_path.glob("recipes/packages/*/package.py")}
    assert names == {origin.name for origin in ORIGINS}
