# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask registries of container images what a tag stands for, with python-dxf, on the controller."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import ssl
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._containers import logins, manifests
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed import images

try:
    import dxf
    import requests
except ImportError:
    dxf = requests = None  # type: ignore[assignment]

#: Seconds for which a registry may say nothing.
PATIENCE = 60.0
#: Bytes of the configuration of an image, at most.
LARGEST = 8 * 1024**2
#: Bytes of a manifest, at most: no registry has to take larger ones, OCI Distribution Specification.
LARGEST_MANIFEST = 4 * 1024**2
PIECE = 64 * 1024
#: Kinds of manifests that are understood.
KINDS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
#: What becomes of an answer that has other types than a manifest has, or is nested without an end.
_NO_ANSWER = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)


def resolve(image: str, architecture: str, auths: Mapping[str, str], insecure: Collection[str] = ()) -> dict[str, Any]:
    """What a reference of a registry stands for now: ``digest`` of the platform's manifest, and ``size`` in bytes.

    :param image: as a seed names it. architecture: of the seed. auths: logins, as logins.read gives them.
    :param insecure: registries that are asked without TLS. Raises PetalError.
    """
    if dxf is None:
        raise PetalError(
            f"image {image} names a tag, and what it stands for is asked with the Python package python-dxf, which the "
            "controller lacks: install it (pip install python-dxf), or name the image by its digest (@sha256:…)"
        )
    meant = images.parse(image)
    what = f"image {image}"
    auth = logins.chosen(auths, meant.registry, meant.repository)

    def log_in(session: Any, response: Any) -> None:
        user, password = logins.pair(auth, meant.registry) if auth else (None, None)
        session.authenticate(user, password, actions=["pull"], response=response)

    plain = meant.registry in insecure
    try:
        with dxf.DXF(
            meant.host, meant.repository, log_in, insecure=plain, tlsverify=certificates(), timeout=PATIENCE
        ) as session:
            return _resolved(session, meant, architecture, what)
    except (dxf.exceptions.DXFError, requests.exceptions.RequestException, OSError, *_NO_ANSWER) as error:
        raise PetalError(_why(error, meant, what, bool(auth))) from None


def certificates() -> str | bool:
    """What the operating system trusts, a site's own certificates included, or what the environment names."""
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return named or ssl.get_default_verify_paths().cafile or True


def _resolved(session: Any, meant: images.Reference, architecture: str, what: str) -> dict[str, Any]:
    digest, manifest = _manifest(session, meant.digest or meant.tag, what)
    chosen = manifests.platform_digest(manifest, architecture, what)
    if chosen:
        digest, manifest = _manifest(session, chosen, what)
        if manifests.platform_digest(manifest, architecture, what):
            raise PetalError(f"{what} is an index of indexes: name the inner one by its digest")
    if meant.kind == images.ORAS:
        manifests.sif(manifest, what)
    else:
        config = b"".join(_pieces(session.pull_blob(manifest["config"]["digest"]), what, "configuration", LARGEST))
        manifests.fits(json.loads(config), architecture, what)
    return {"digest": digest, "size": manifests.size(manifest)}


def _manifest(session: Any, name: str, what: str) -> tuple[str, dict[str, Any]]:
    # What asks for a manifest in dxf reads all that comes; this is what it asks by.
    asked = {"headers": {"Accept": ", ".join(KINDS)}, "stream": True}
    response = session._request("get", f"manifests/{name}", **asked)
    with contextlib.closing(response):
        content = b"".join(_pieces(response.iter_content(PIECE), what, "manifest", LARGEST_MANIFEST))
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    said = name if name.startswith("sha256:") else response.headers.get("Docker-Content-Digest", digest)
    if said != digest:
        raise PetalError(f"{what}: the registry gave a manifest with the digest {digest} for {said}: nothing was used")
    return digest, manifests.read(content, what)


def _pieces(pieces: Any, what: str, part: str, most: int) -> Any:
    got = 0
    for piece in pieces:
        got += len(piece)
        if got > most:
            raise PetalError(f"{what} has a {part} of more than {most >> 20} MiB: this is no image. Look at the name")
        yield piece


def _why(error: Exception, meant: images.Reference, what: str, logged_in: bool) -> str:
    """One sentence with what to do."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, dxf.exceptions.DXFUnauthorizedError) or status in (401, 403):
        if logged_in:
            return (
                f"{what}: {meant.registry} refuses the login that there is for it. See that it is still valid and may "
                f"pull {meant.repository}; logins come from what containers_auth_from names, those of Amazon ECR from"
                " AWS"
            )
        return (
            f"{what}: {meant.registry} wants a login, or has no such image. Name where logins are kept "
            "(containers_auth_from=file:/PATH of an auth file, ssm:NAME or secretsmanager:NAME), and look at the name"
        )
    if isinstance(error, dxf.exceptions.DXFAuthInsecureError):
        return (
            f"{what}: {meant.registry} is named in containers_insecure_registries and wants a login, which is not sent "
            "without TLS: take its name out there"
        )
    if status == 404:
        return f"{what}: {meant.registry} has no {meant.tag or meant.digest} of {meant.repository}. Look at the name"
    if status is not None:
        return f"{what}: {meant.registry} answered with the status {status}. Try again later"
    if isinstance(error, requests.exceptions.SSLError):
        return (
            f"{what}: the certificate of {meant.registry} is not trusted. Add the site's own to those of the "
            "controller's system, or name its file in REQUESTS_CA_BUNDLE"
        )
    if isinstance(error, (requests.exceptions.RequestException, OSError)):
        return (
            f"{what}: {meant.registry} could not be reached from the controller. Without a network name a mirror "
            "directory that holds it (spack_mirror_dir), an archive (file:…), or the image by its digest (@sha256:…)"
        )
    return f"{what}: {meant.registry} gave an answer that is none of a registry of images"
