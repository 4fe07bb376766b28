"""Who may be a user of a cluster."""

from __future__ import annotations

from typing import Any

import pytest
from seed_samples import FULL, LOCAL, changed, faults

from ansible_collections.petal.hpc.plugins.module_utils._seed import drafts, people, schema
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import UNKNOWN_HOST
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Report


def users(*entries: dict[str, Any], os: str = "debian12") -> dict[str, Any]:
    return changed(changed(LOCAL, "users", list(entries)), "cluster", "os", os)


BROKEN: list[tuple[dict[str, Any], str, str]] = [
    (users({"name": "a", "uid": 5001}, {"name": "b", "uid": 5001}), "users[1].uid", "this uid"),
    # What gave /var/backups away, and what made its user a member of sudo.
    (users({"name": "backup", "uid": 34, "gid": 34}), "users[0].uid", "ids below 1000 belong to the system's own"),
    (users({"name": "a", "uid": 5001, "gid": 27}), "users[0].gid", "ids below 1000"),
    (users({"name": "a", "uid": 999}), "users[0].uid", "ids below 1000"),
    (users({"name": "www-data", "uid": 5001}), "users[0].name", "the system's own"),
    (users({"name": "chrony", "uid": 5001}, os="rocky9"), "users[0].name", "the system's own"),
    (users({"name": "wheel", "uid": 5001}), "users[0].name", "as good as root"),
    (users({"name": "docker", "uid": 5001}), "users[0].name", "as good as root"),
    (changed(FULL, "users", [{"name": "sshd", "uid": 5001}]), "users[0].name", "the system's own"),
]


@pytest.mark.parametrize(("data", "path", "message"), BROKEN, ids=[f"{path}: {text}" for _d, path, text in BROKEN])
def test_who_may_not(data: dict[str, Any], path: str, message: str) -> None:
    assert message in faults(data).get(path, ""), faults(data)


@pytest.mark.parametrize(
    "data",
    [
        users({"name": "researcher1", "uid": 1000}, {"name": "postdoc", "uid": 60000, "gid": 5001}),
        # no account of that system
        users({"name": "www-data", "uid": 5001}, os="rocky9"),
    ],
)
def test_who_may(data: dict[str, Any]) -> None:
    assert faults(data) == {}


def test_every_rule_has_a_case() -> None:
    fired = set()
    for data, _path, _text in BROKEN:
        report = Report()
        draft = drafts.Draft(schema.SEED.check(data, (), report) or {}, report, UNKNOWN_HOST)
        fired |= {rule for _level, rule in people.RULES if list(rule(draft))}
    assert fired == {rule for _level, rule in people.RULES}
