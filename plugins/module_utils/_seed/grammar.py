# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small languages inside a seed: names, paths, references, requirements, durations.

Each check takes a text and answers None when it is good, else one sentence about what is wrong. All are
conservative: what passes can be put into a path, an argument list or a URL as it is.
"""

from __future__ import annotations

import ipaddress
import re

from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import TextTest

#: Directories over which nothing can be mounted without hiding a part of the system. Source: the reserved names
#: of AWS ParallelCluster's shared directories.
_RESERVED = re.compile(
    r"/(bin|boot|dev|etc|home|lib|lib32|lib64|libx32|lost\+found|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp"
    r"|usr(/local)?|var(/lib)?)?"
)
#: Directories in and below which only the system writes.
_CLOSED = re.compile(
    r"/(bin|boot|dev|etc|lib|lib32|lib64|libx32|proc|run|sbin|sys|tmp|usr/(bin|include|lib|lib32|lib64|libexec|sbin"
    r"|share)|var/(lib/petal|run|tmp))(/.*)?"
)
_MOUNT_DIR = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)+")


def pattern(expression: str, message: str) -> TextTest:
    """A check that a text matches a regular expression as a whole."""
    compiled = re.compile(expression, re.ASCII)

    def test(text: str) -> str | None:
        return None if compiled.fullmatch(text) else message

    return test


def mount_dir(text: str) -> str | None:
    """An absolute directory where something can be mounted, in its shortest spelling."""
    if not text.startswith("/"):
        return "it is not an absolute path"
    if text != "/" and text.endswith("/"):
        return "it ends with a slash"
    if _RESERVED.fullmatch(text) or _CLOSED.fullmatch(text):
        return "this directory belongs to the operating system"
    if not _MOUNT_DIR.fullmatch(text):
        return "it holds characters, or an empty, '.' or '..' part, that no mount directory may have"
    return None


def bucket(text: str) -> str | None:
    """An S3 bucket's name (source: Amazon S3, general purpose bucket naming rules)."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", text, re.ASCII):
        return "this is no bucket name"
    if ".." in text or ".-" in text or "-." in text:
        return "dots in a bucket name must stand between letters or digits"
    if text.startswith(("xn--", "sthree-", "amzn-s3-demo-")) or text.endswith(("-s3alias", "--ol-s3", "--x-s3")):
        return "S3 keeps this prefix or suffix for itself"
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return None
    return "a bucket name may not look like an IP address"


def object_prefix(text: str) -> str | None:
    """A prefix of S3 object keys, without slashes at its ends."""
    if text and not re.fullmatch(r"[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*", text, re.ASCII):
        return "this is no plain prefix"
    if {".", ".."} & set(text.split("/")):
        return "'.' and '..' are no parts of a prefix"
    return None


def cache_prefix(text: str) -> str | None:
    """The same, where people also begin or end it with a slash: plain_prefix() takes those off."""
    return object_prefix(plain_prefix(text))


def plain_prefix(text: str) -> str:
    """A prefix without slashes at its ends: /caches/bio and caches/bio/ are caches/bio."""
    return text.strip("/")


def snapshot_store(text: str) -> str | None:
    """A store of snapshots: an absolute directory, or s3://BUCKET/PREFIX."""
    if text.startswith("s3://"):
        name, _slash, prefix = text[len("s3://") :].partition("/")
        return bucket(name) or object_prefix(prefix)
    return None if _MOUNT_DIR.fullmatch(text) else "it is neither an absolute directory nor s3://BUCKET/PREFIX"


def below_seed(text: str) -> str | None:
    """A file or directory beside the seed or below it: no link is followed, and nothing leads up."""
    if text.startswith("/"):
        return "it is an absolute path: files of a seed lie beside it or below"
    if {".", "..", ""} & set(text.split("/")):
        return "it holds an empty, '.' or '..' part: files of a seed lie beside it or below"
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*", text, re.ASCII):
        return "its parts may hold letters, digits and . _ + -, a letter or digit first"
    return None


def git_ref(text: str) -> str | None:
    """A branch, tag or commit (source: git-check-ref-format, without the exotic characters)."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*", text, re.ASCII):
        return "this is no Git branch, tag or commit"
    if ".." in text or "//" in text or "/." in text or text.endswith((".", "/", ".lock")):
        return "Git does not allow such a name"
    return None


_GIT_PATH = r"(?:/[A-Za-z0-9_~+-][A-Za-z0-9_.~+-]*)+"
_GIT_URL = re.compile(
    rf"https://[A-Za-z0-9.-]+(?::[0-9]{{1,5}})?{_GIT_PATH}/?"
    rf"|ssh://(?:[a-z_][a-z0-9_-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{{1,5}})?{_GIT_PATH}/?"
    r"|[a-z_][a-z0-9_-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[A-Za-z0-9_~][A-Za-z0-9_.~+/-]*"
    rf"|file://{_GIT_PATH}/?",
    re.ASCII,
)


def git_url(text: str) -> str | None:
    """Address of a Git repository: https, SSH in both forms, or file:///…; no password, and for https no user."""
    if text.startswith("https://") and "@" in text.split("/")[2]:
        return "an address in a seed may not hold a user name or password"
    return None if _GIT_URL.fullmatch(text) else "this is no https://, ssh://, USER@HOST:PATH or file:///… address"


def is_commit(text: str) -> bool:
    """Whether a Git reference is a commit in full."""
    return len(text) == 40 and set(text) <= set("0123456789abcdef")


def is_pinned(ref: str) -> bool:
    """Whether a Git reference stands for the same commit for ever: a commit, or a release's tag."""
    return is_commit(ref) or (ref[:1] == "v" and ref[1:2].isdigit())


_DOMAIN = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
_IMAGE = re.compile(
    rf"(?:(?:docker|oras)://)?(?:{_DOMAIN}(?::[0-9]{{1,5}})?/)?"
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
    re.ASCII,
)


def image(text: str) -> str | None:
    """A container image reference, with or without docker:// or oras:// (source: the OCI distribution grammar)."""
    return None if _IMAGE.fullmatch(text) else "this is no container image reference"


#: Longest requirement that is looked at, in characters.
REQUIREMENT_LIMIT = 10_000
#: The parts of a requirement. Whether each of them is good, `packaging` decides where there is one (requirements.py).
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*) ?(?:\[(?P<extras>[^]]*)\])? ?"
    r"(?:@ ?(?P<url>[^ ]+) ?|(?P<clauses>[<>=!~(][A-Za-z0-9._*+!<>=~,() -]*))?"
    r"(?:;(?P<marker>.*))?",
    re.ASCII,
)
_URL = re.compile(r"(?:git\+https|https|file)://[A-Za-z0-9%/?:=&#.,_~+-][A-Za-z0-9%/?:@=&#.,_~+-]*", re.ASCII)
_MARKER_TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|[A-Za-z_.]+|[<>=!~]+|[()]", re.ASCII)


def _requirement_parts(text: str) -> re.Match[str] | None:
    return _REQUIREMENT.fullmatch(re.sub(r"\s+", " ", text).strip(" "))


def plain_requirement(text: str) -> str | None:
    """One requirement of a named package and nothing else: no option, path, second line or URL with a password.

    This much is looked at wherever requirements are handed on; what PEP 508 makes of the rest is decided when the
    seed is read.
    """
    if len(text) > REQUIREMENT_LIMIT:
        return f"it is longer than {REQUIREMENT_LIMIT} characters"
    if text.startswith("-"):
        return "options are not allowed among the packages"
    match = _requirement_parts(text)
    if not match or not text.isprintable():
        return "this is no Python requirement"
    url = match["url"]
    if url and not _URL.fullmatch(url):
        return "a requirement's URL begins with https://, git+https:// or file:///, and holds no quotes or spaces"
    if url and "@" in url.split("//", 1)[1].split("/", 1)[0]:
        return "a URL in a seed may not hold a user name or password"
    return None


def python_package(text: str) -> str | None:
    """The name of a Python package and nothing else (PEP 508)."""
    if re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", text, re.ASCII):
        return None
    return "this is no name of a Python package: no version, extra or address stands here"


def requirement_source(text: str) -> tuple[str, str] | None:
    """The package and the address of a requirement that has one; None for any other. The name is normalised."""
    match = _requirement_parts(text)
    return (python_name(match["name"]), match["url"]) if match and match["url"] else None


def leads_to_wheel(url: str) -> bool:
    """Whether an address is that of a wheel, which is installed as it is."""
    return re.split("[?#]", url)[0].lower().endswith(".whl")


def canonical_requirement(text: str) -> str:
    """One spelling for all spellings of a requirement that PEP 508 allows.

    Source: PEP 503 for names, PEP 508 for the rest. Extras and version clauses are sorted, spaces removed. The form
    is a part of fingerprints: it is made here, because that of `packaging` may change with its release.
    """
    match = _requirement_parts(text)
    if not match:
        return text
    result = python_name(match["name"])
    extras = {python_name(extra.strip()) for extra in (match["extras"] or "").split(",")} - {""}
    if extras:
        result += "[" + ",".join(sorted(extras)) + "]"
    result += ",".join(sorted({*re.sub(r"[ ()]", "", match["clauses"] or "").split(",")} - {""}))
    if match["url"]:
        result += f"@{match['url']}"
    if match["marker"]:
        result += ";" + " ".join(map(_marker_token, _MARKER_TOKEN.findall(match["marker"])))
    return result


def requirement_is_pinned(text: str) -> bool:
    """Whether a requirement has one answer for ever: one exact version, or an address with a commit or a digest."""
    match = _requirement_parts(text)
    if not match:
        return False
    if match["url"]:
        return bool(re.search(r"@[0-9a-f]{40}(?=$|[#&])|[#&]sha256=[0-9a-f]{64}(?=$|&)", match["url"]))
    clauses = (match["clauses"] or "").strip("() ").split(",")
    return any(re.fullmatch(r"\s*===?[^=*]+", clause) for clause in clauses)


def _marker_token(token: str) -> str:
    return f'"{token[1:-1]}"' if token[0] == "'" and '"' not in token else token


def python_name(text: str) -> str:
    """A Python package's name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", text).lower()


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration_seconds(text: str) -> int | None:
    """Seconds of a duration such as ``12h``, ``90m`` or ``1h30m``; None when it is none."""
    if not re.fullmatch(r"([0-9]{1,6}[dhms])+", text, re.ASCII):
        return None
    return sum(int(part[:-1]) * _UNITS[part[-1]] for part in re.findall(r"[0-9]+[dhms]", text))


def duration(text: str) -> str | None:
    """A duration between one minute and seven days."""
    seconds = duration_seconds(text)
    if seconds is None:
        return "this is no duration"
    return None if 60 <= seconds <= 7 * 86400 else "it is shorter than a minute or longer than seven days"


#: Branch of a repository of which only the name is given.
DEFAULT_BRANCH = "main"
RAW_HOST = "raw.githubusercontent.com"
_GITHUB_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,98}[A-Za-z0-9_-])?"
_GITHUB = re.compile(
    rf"(?:https://(?:www\.)?github\.com/(?P<owner>{_GITHUB_PART})/(?P<repository>{_GITHUB_PART})"
    rf"(?:/tree/(?P<branch>{_GITHUB_PART}))?"
    rf"|(?P<short_owner>{_GITHUB_PART})/(?P<short_repository>{_GITHUB_PART})(?:/(?P<short_branch>{_GITHUB_PART}))?)/?",
    re.ASCII,
)


def registry_address(text: str) -> str:
    """Address at which a registry's files are: OWNER/REPOSITORY, OWNER/REPOSITORY/BRANCH and the page of a GitHub
    repository become the address of its raw files, any other text stays as it is."""
    match = _GITHUB.fullmatch(text)
    if not match:
        return text
    owner, repository = match["owner"] or match["short_owner"], match["repository"] or match["short_repository"]
    branch = match["branch"] or match["short_branch"] or DEFAULT_BRANCH
    return f"https://{RAW_HOST}/{owner}/{repository.removesuffix('.git')}/{branch}"


def registry_url(text: str) -> str | None:
    """Address of a registry: https://…, an absolute file:///…, or what registry_address() knows; without a user name
    or password."""
    text = registry_address(text)
    if text.startswith("file://"):
        path = text[len("file://") :]
        if re.fullmatch(r"(/[A-Za-z0-9_.+~-]+)+/?", path, re.ASCII) and ".." not in path.split("/"):
            return None
        return "file:// wants an absolute path: file:///srv/registry"
    if not re.fullmatch(r"https://[^/?#\s]+(/[A-Za-z0-9%/:@=.,_~+-]*)?", text, re.ASCII):
        return "this is no https:// or file:// address, and no OWNER/REPOSITORY of GitHub"
    host = text[len("https://") :].split("/", 1)[0]
    if "@" in host:
        return "a registry's address may not hold a user name or password"
    return None if re.fullmatch(rf"{_DOMAIN}(:[0-9]{{1,5}})?", host, re.ASCII) else "its host name is not valid"
