"""Which snapshots are in use on a host."""

from __future__ import annotations

from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._volume.uses import refusal, uses_of

A, B = "snap-" + "a" * 17, "snap-" + "b" * 17


def volume(snapshot_id: str | None, mount_dir: str | None, cluster: str = "") -> dict[str, Any]:
    return {"snapshot_id": snapshot_id, "mount_dir": mount_dir, "tags": {"petal:cluster": cluster} if cluster else {}}


def test_mounted_kept_and_neither() -> None:
    volumes = [
        volume(A, "/shared", "bio"),
        volume(A, f"/srv/petal/bio/{A}", "bio"),
        volume(B, f"/srv/petal/bio/{B}", "bio"),
        volume(B, None, "other"),
        volume(B, "/mnt/look"),
        # Made by hand and at rest, or a build's own: neither needs its snapshot.
        volume("snap-" + "c" * 17, None),
        volume(None, "/shared"),
    ]
    assert uses_of(volumes, {"/srv/petal/bio": B}) == {
        A: ["mounted at /shared for bio", f"mounted at /srv/petal/bio/{A} for bio"],
        B: [
            f"kept at /srv/petal/bio/{B} for bio, to go back to",
            "kept for other, not mounted",
            "mounted at /mnt/look",
        ],
    }


def test_a_refusal_names_what_is_in_use_and_what_is_not() -> None:
    doomed = [{"snapshot_id": A}, {"snapshot_id": B}]
    message = refusal(doomed, {A: ["mounted at /shared for bio"]})
    assert f"{A} is mounted at /shared for bio" in message
    assert f"with -e snapshot_id=ID: {B}." in message
    assert "force=true" in message
    assert refusal(doomed, {"snap-" + "c" * 17: ["mounted at /x"]}) == ""
    assert refusal([], {A: ["mounted at /x"]}) == ""
