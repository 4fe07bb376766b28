"""An image on a volume: its record, its environment, what it lacks."""

from __future__ import annotations

import json
import struct
import subprocess
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._containers import model
from ansible_collections.petal.hpc.plugins.module_utils._containers.model import Wanted
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

WANTED = Wanted("bio", "1", "r.io/bio:1", "sha256:" + "ab" * 32, "x86_64", {"samtools/1": "samtools"})
RECORD = {"digest": WANTED.digest, "compression": "zstd", "programs": {"samtools": "/bin/samtools"}, "audit": {}}


def test_where_it_lies() -> None:
    assert WANTED.file == f"containers/images/sha256/{'ab' * 32}.sqsh"
    assert WANTED.what == "container bio/1 (r.io/bio:1)"


@pytest.mark.parametrize(
    ("change", "whole"),
    [
        ({}, True),
        ({"digest": "sha256:" + "cd" * 32}, False),
        ({"compression": "gzip"}, False),
        ({"programs": {}}, False),
        ({"programs": []}, False),
    ],
)
def test_what_counts_as_whole(change: dict[str, Any], whole: bool) -> None:
    assert (model.completed(json.dumps({**RECORD, **change}), WANTED) is not None) == whole


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"digest": 3}'])
def test_a_record_that_is_broken_off_is_none(text: str) -> None:
    assert model.completed(text, WANTED) is None


@pytest.mark.parametrize("value", ["plain", "a b", "it's", "$(touch /tmp/x)", "`id`", 'a"b', "a\nb", "${HOME}", ""])
def test_values_of_an_image_are_texts_in_a_shell(value: str) -> None:
    script = model.environment_script({"PATH": "/bin:/usr/bin", "A_B": value})
    shown = subprocess.run(
        ["sh", "-c", f'{script}\nprintf %s "$A_B"'], capture_output=True, text=True, check=True, env={}
    )
    assert shown.stdout == value
    kept = subprocess.run(
        ["sh", "-c", f'{script}\nprintf %s "$A_B"'], capture_output=True, text=True, check=True, env={"A_B": "mine"}
    )
    assert kept.stdout == "mine"


def test_configurations_are_whatever_their_authors_wrote() -> None:
    assert model.variables({"config": {"Env": ["A=1", "B", "C-D=2", "E=x=y", 3]}}) == {"A": "1", "B": "", "E": "x=y"}
    odds: tuple[dict[str, Any], ...] = ({}, {"config": None}, {"config": []}, {"config": {"Env": 3, "Labels": [1]}})
    for odd in odds:
        assert model.variables(odd) == model.labels(odd) == {}
    assert model.labels({"config": {"Labels": {"b": 1, "a": "x"}}}) == {"a": "x", "b": "1"}


def test_the_summary_is_one_line() -> None:
    assert model.summary({"org.opencontainers.image.title": "A\n\x1b[31mtool  of ours"}) == "A [31mtool of ours"
    assert model.summary({}) == "Programs of a container image"
    assert len(model.summary({"description": "x" * 1000})) == 200


def test_where_programs_are_looked_for() -> None:
    assert model.candidates("a", "/x/bin:relative::/bin:/bin") == ["/x/bin/a", "/bin/a"]
    assert model.candidates("/opt/a", "/bin") == ["/opt/a"]
    assert model.missing(WANTED, {"samtools": "/bin/samtools"}, "/bin") == ""
    assert "has no program samtools: looked for in /bin of the image" in model.missing(WANTED, {"samtools": ""}, "/bin")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('export PATH="/opt/bin:/bin"\n', "/opt/bin:/bin"),
        ("PATH=/opt/bin\nexport PATH\n", "/opt/bin"),
        ("#!/bin/sh\n", ""),
        ("export PATH=$HOME/bin\n", ""),
    ],
)
def test_the_path_of_a_sif(text: str, path: str) -> None:
    assert model.path_in_script(text) == path


def sif(datatype: int = 0x4004, system: int = 1, kind: int = 2) -> bytes:
    header = struct.pack("<32s10s3s3s16s8q", b"", b"SIF_MAGIC\0", b"01", b"02", b"", 0, 0, 47, 48, 128, 585, 4096, 999)
    extra = struct.pack("<ii", system, kind)
    entry = struct.pack("<iBIII5q2q128s384s", datatype, 1, 1, 1, 0, 4096, 999, 999, 0, 0, 0, 0, b"", extra)
    return (header + entry).ljust(64 * 1024, b"\0")


def test_the_file_system_in_a_sif() -> None:
    assert model.squashfs_in_sif(sif(), "it") == (4096, 999)


@pytest.mark.parametrize("head", [b"", b"#!/bin/sh", sif()[:100], sif().replace(b"SIF_MAGIC", b"SIF_TRICK")])
def test_what_is_no_sif(head: bytes) -> None:
    with pytest.raises(PetalError, match="it is no SIF file"):
        model.squashfs_in_sif(head, "it")


@pytest.mark.parametrize("head", [sif(system=2), sif(kind=3), sif(datatype=0x4001)])
def test_a_sif_without_a_file_system_that_runs(head: bytes) -> None:
    with pytest.raises(PetalError, match="holds no squashfs that could be run"):
        model.squashfs_in_sif(head, "it")


def test_halves_of_characters_become_what_a_file_can_hold() -> None:
    config = {"config": {"Env": ["X=a\ud800b"], "Labels": {"l\udfff": "\ud800"}}}
    assert model.variables(config) == {"X": "a\N{REPLACEMENT CHARACTER}b"}
    assert model.labels(config) == {"l\N{REPLACEMENT CHARACTER}": "\N{REPLACEMENT CHARACTER}"}


def test_programs_that_another_container_of_the_image_has_asked_for() -> None:
    asked = Wanted("bio", "1", "r.io/bio:1", "sha256:" + "ab" * 32, "x86_64", {"a/1": "a"})
    record = {"digest": asked.digest, "programs": {"b": "/bin/b"}}
    assert model.programs_before(json.dumps(record), asked) == {"b": "/bin/b"}
    for other in ("", "[]", json.dumps({**record, "digest": "sha256:0"}), json.dumps({**record, "programs": 1})):
        assert model.programs_before(other, asked) == {}
