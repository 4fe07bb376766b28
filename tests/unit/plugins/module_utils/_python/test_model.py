# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._python import model
from ansible_collections.petal.hpc.plugins.module_utils._python.model import (
    Environment,
    Layout,
    PythonEnvironmentError,
)

SCI = Environment("sci", "2026.1", ("NumPy==2.2.*", "PyYAML"))
LAYOUT = Layout("/shared", "sci", "2026.1")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", ""),
        ("name", ".."),
        ("name", "a/b"),
        ("name", "a\nb"),
        ("version", "-1"),
        ("version", "1 2"),
        ("python", "2.7"),
        ("python", "3"),
        ("python", "--help"),
        ("packages", ("-r /etc/passwd",)),
        ("packages", ("--index-url=https://example.org",)),
        ("packages", ("numpy\n--index-url https://example.org",)),
        ("packages", ("x @ https://example.org/${HOME}",)),
        ("packages", ("x @ https://user:secret@example.org/x.whl",)),
        ("packages", ("numpy \\",)),
        ("packages", ("x @ git+https://example.org/x",)),
        ("packages", ("x @ https://example.org/x-1.tar.gz",)),
        ("build", ("numpy==2",)),
        ("build", ("--no-binary=:all:",)),
        ("build", (":all:",)),
        ("build", ("",)),
    ],
)
def test_nothing_but_names_versions_and_requirements_gets_in(key: str, value: Any) -> None:
    arguments: dict[str, Any] = {"name": "sci", "version": "1", "packages": ("numpy",), key: value}
    with pytest.raises(PythonEnvironmentError):
        Environment(**arguments)


def test_requested_names_are_normalised_and_unique() -> None:
    packages = ("Ruamel.YAML>0.18", "dask[complete]", "numpy (>=2)", "NumPy", "x-y @ https://example.org/x.whl")
    assert Environment("a", "1", packages, build=("Dask", "ruamel_yaml", "dask")).built == ["dask", "ruamel-yaml"]
    assert Environment("a", "1", packages).requested == ["ruamel-yaml", "dask", "numpy", "x-y"]


def test_sources_by_their_address_have_to_be_named() -> None:
    """uv takes what a project says of itself for its metadata, and would only refuse it when it is to be installed."""
    packages = (
        "Ours @ git+https://example.org/ours@v1",
        "b @ file:///srv/b-1.zip#sha256=00",
        "c @ https://x.org/c.whl?x=1",
    )
    with pytest.raises(
        PythonEnvironmentError, match=r"b, ours would have to be built from source.*build: \[b, d, ours\]"
    ):
        Environment("a", "1", packages, build=("d",))
    assert Environment("a", "1", packages, build=("ours", "B")).built == ["b", "ours"]


def test_requirements_file() -> None:
    assert SCI.requirements() == "NumPy==2.2.*\nPyYAML\n"


def test_layout() -> None:
    assert LAYOUT.path == "/shared/envs/sci/2026.1"
    assert LAYOUT.lock == "/shared/.petal/locks/python-sci-2026.1.txt"
    assert LAYOUT.marker == "/shared/envs/sci/2026.1/.petal-environment.json"


def test_digest_is_frozen() -> None:
    assert model.input_digest(SCI, LAYOUT) == "sha256:48da3a3cef02f42c33a25c11e9cf5d8b4b61b0be0eb56a29110d7c540df84b72"


@pytest.mark.parametrize(
    "packages", [("PyYAML", "NumPy==2.2.*"), ("numpy == 2.2.*", "pyyaml"), (" PyYAML", "NumPy (==2.2.*)")]
)
def test_order_and_spelling_do_not_matter(packages: tuple[str, ...]) -> None:
    assert model.input_digest(Environment("sci", "2026.1", packages), LAYOUT) == model.input_digest(SCI, LAYOUT)


@pytest.mark.parametrize(
    ("environment", "layout"),
    [
        (Environment("sci", "2026.1", ("NumPy==2.3.*", "PyYAML")), LAYOUT),
        (Environment("sci", "2026.1", SCI.packages, "3.12"), LAYOUT),
        (Environment("sci", "2026.1", SCI.packages, as_of="2026-11-01"), LAYOUT),
        (Environment("sci", "2026.1", SCI.packages, build=("numpy",)), LAYOUT),
        (SCI, Layout("/opt/shared", "sci", "2026.1")),
    ],
)
def test_what_decides_an_environment_is_in_its_digest(environment: Environment, layout: Layout) -> None:
    assert model.input_digest(environment, layout) != model.input_digest(SCI, LAYOUT)


def test_completed() -> None:
    record = {"schema": model.MARKER_SCHEMA, "input": "sha256:x", "lock_sha256": model.sha256("lock")}
    assert model.completed(json.dumps(record), "sha256:x", "lock") == record
    assert model.completed(json.dumps(record), "sha256:y", "lock") is None
    assert model.completed(json.dumps(record), "sha256:x", "another lock") is None
    assert model.completed(json.dumps({**record, "schema": 0}), "sha256:x", "lock") is None


@given(st.text())
def test_a_damaged_marker_is_no_marker(marker: str) -> None:
    assert model.completed(marker, "sha256:x", "") is None


@pytest.mark.parametrize("day", ["20261101", "2026-02-30", "soon", "2026-11-01T00:00:00Z"])
def test_what_is_no_day(day: str) -> None:
    with pytest.raises(PythonEnvironmentError, match="expected a day such as 2026-11-01"):
        Environment("a", "1", ("six",), as_of=day)
