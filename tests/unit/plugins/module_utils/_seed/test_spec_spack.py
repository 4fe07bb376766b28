"""Our parser against Spack's own, over many generated texts.

Runs where a checkout of Spack is found in the collection's cache of mirrors. Spack's parser itself is the
authority: what ours takes, Spack must take as the same spec as our canonical form; what ours refuses, Spack must
refuse, but for the few things that it takes and no seed can mean (STRICTER).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed import spec

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
SPACK = CACHE / "petal" / "mirror" / "spack"
ORACLE = Path(__file__).with_name("spack_oracle.py")
TEXTS = 3000

pytestmark = pytest.mark.skipif(
    not (SPACK / "bin" / "spack").is_file(), reason=f"no checkout of Spack in {SPACK}: its parser cannot be asked"
)

#: What a seed cannot mean although Spack parses it.
STRICTER = (
    "the name of a package is missing",
    "means something else on every host",
    "wants a value",
    "cannot stand in a condition",
    "this is no os",
    "this is no platform",
    "this is no target",
    "this is no namespace",
    "is no virtual package",
    "cannot be quoted",
    "is empty",
)


class Writer:
    """Writes specs, good and bad, from a seeded random source. Dependencies of one spec have different names:
    Spack 1.1 loses what hangs on the second of two with the same name."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.pick = rng.choice

    def text(self) -> str:
        kind = self.rng.random()
        if kind < 0.6:
            return self.spec()
        if kind < 0.95:
            return self.damaged(self.spec())
        return "".join(self.pick("abz019_-.@+~%^=:,/[]'\" *\\") for _i in range(self.rng.randint(0, 12)))

    def spec(self) -> str:
        names = self.rng.sample(["zlib", "hdf5", "gcc", "openmpi", "py-numpy", "a_b", "7zip", "Git", "intel"], 4)
        text = self.node(names[0])
        for name in names[1 : self.pick([1, 1, 2, 3, 4])]:
            text += self.edge(name)
        return text

    def node(self, name: str) -> str:
        prefix = self.pick(["", "", "", "", "", "builtin.", "my.repo."])
        parts = (self.version, self.variant, self.variant, self.flag, self.architecture, lambda: "/abc123")
        return prefix + name + "".join(self.pick(parts)() for _i in range(self.pick([0, 0, 1, 1, 2, 3])))

    def edge(self, name: str) -> str:
        sigil = " " + self.pick(["^", "%", "%%"])
        kind = self.rng.random()
        if kind < 0.2:
            return sigil + self.pick(["", " "]) + self.pick(["c", "cxx,c", "mpi"]) + "=" + self.node(name)
        if kind < 0.4:
            known = [
                "virtuals=c,cxx",
                "virtuals:=c",
                "virtuals==c",
                "deptypes=build",
                "deptypes=run,link",
                "deptypes=x",
            ]
            known += ["when=+x", "when='@1:2 +y'", "when='@1,2'", "when='%gcc'", "when=x", "mood=good"]
            properties = " ".join(self.rng.sample(known, self.pick([0, 1, 1, 2])))
            return f"{sigil}[{properties}]{self.pick(['', ' '])}{self.node(name)}"
        return sigil + self.pick(["", "", " "]) + self.node(name)

    def number(self) -> str:
        return self.pick(
            [
                "1",
                "1.2",
                "1.2.3",
                "12",
                "0",
                "develop",
                "main",
                "1.2-rc1",
                "2.0rc",
                "1.2b3",
                "v1",
                "2024.01",
                "1.02",
                "1-2",
                "9e",
                "stable",
                "1a",
                "1z",
                "A",
            ]
        )

    def version(self) -> str:
        if self.rng.random() < 0.15:
            ref = self.pick(["git.main", "git.foo/bar", "0123456789abcdef0123456789abcdef01234567"])
            return "@" + ref + self.pick(["", "=" + self.number()])
        forms = ("{0}", "{0}", "={0}", "{0}:{1}", "{0}:", ":{0}", ":", "=git.{0}", "={0}:{1}")
        items = [self.pick(forms).format(self.number(), self.number()) for _i in range(self.pick([1, 1, 2, 3]))]
        return self.pick(["@", "@ "]) + self.pick([",", ", ", " ,"]).join(items)

    def variant(self) -> str:
        name = self.pick(["shared", "mpi", "api", "a.b", "foo-bar", "patches"])
        if self.rng.random() < 0.4:
            return self.pick(["+", "~", " -", "++", "~~", " --", "+ "]) + name
        values = [
            "v18",
            "a,b",
            "b,a",
            "True",
            "*",
            "a,*",
            "-O3",
            "a:b",
            "x=y",
            "~/x",
            "a\\b",
            "'a b'",
            '"it\'s"',
            "'a\\'b'",
            "''",
        ]
        return " " + name + self.pick(["=", "=", "==", ":=", ":=="]) + self.pick(values)

    def flag(self) -> str:
        values = ["-O3", '"-O3 -g"', "'-I x -g'", "''", "\"-DX='1'\""]
        return " " + self.pick(["cflags", "ldflags"]) + self.pick(["=", "=="]) + self.pick(values)

    def architecture(self) -> str:
        words = "arch=linux-debian12-x86_64 arch=x86_64 target=x86_64_v3: target=a,b os=debian12 platform=linux os=fe"
        words += " operating_system=rocky9 target==x namespace=builtin +os +cflags target=* architecture=a-b"
        return " " + self.pick(words.split())

    def damaged(self, text: str) -> str:
        letters = list(text)
        for _i in range(self.rng.randint(1, 3)):
            place = self.rng.randrange(len(letters)) if letters else 0
            if letters and self.rng.random() < 0.4:
                del letters[place]
            else:
                letters.insert(place, self.pick("abz019_-.@+~%^=:,/[]'\" *\\"))
        return "".join(letters)


def ask(pairs: list[tuple[str, str]], tmp_path: Path) -> list[tuple[str | None, bool]]:
    questions = tmp_path / "questions.json"
    questions.write_text(json.dumps(pairs))
    environment = {
        **os.environ,
        "SPACK_DISABLE_LOCAL_CONFIG": "1",
        "SPACK_USER_CACHE_PATH": str(tmp_path / "cache"),
        "SPACK_PYTHON": sys.executable,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    answers = subprocess.run(
        [SPACK / "bin" / "spack", "python", ORACLE, questions],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return list(map(json.loads, answers.stdout.splitlines()))


def ours(text: str) -> tuple[str | None, str]:
    """Our canonical form, or our reason to refuse a text."""
    try:
        return spec.canonical(text), ""
    except spec.SpecError as error:
        return None, error.reason


def test_both_parsers_agree(tmp_path: Path) -> None:
    writer = Writer(random.Random(1))
    texts = [writer.text() for _i in range(TEXTS)]
    forms, reasons = zip(*map(ours, texts))
    answers = ask([(text, form or text) for text, form in zip(texts, forms)], tmp_path)
    wrong = []
    taken = 0
    for text, form, reason, (fault, same) in zip(texts, forms, reasons, answers):
        if form is None and fault is None and not any(known in reason for known in STRICTER):
            wrong.append(f"Spack takes {text!r}, we do not: {reason}")
        elif form is not None and fault is not None:
            wrong.append(f"we take {text!r}, Spack does not: {fault}")
        elif form is not None and not same:
            wrong.append(f"{text!r} is not {form!r} for Spack")
        taken += form is not None
    assert not wrong, "\n".join(wrong[:20])
    assert TEXTS * 0.3 < taken < TEXTS * 0.9


def test_what_is_one_spec_for_spack_is_one_for_us(tmp_path: Path) -> None:
    rng = random.Random(2)
    pairs = []
    for _i in range(500):
        # A value goes on to the next space: a+b is one.
        known = [" +a", " ~b", " ++c", " d=x,y", " e:=z", " f='p q'", " cflags='-O2 -g'", " target=x86_64_v3"]
        parts = rng.sample(known, 4)
        edges = rng.sample([" ^p+x", " ^q@1.2:1.4 %gcc", " ^[virtuals=mpi] mpich"], 2)
        direct = rng.sample([" %c,cxx=gcc@12", " %cmake", " %[deptypes=build] ninja"], 2)
        one = "zlib@1.2,2:" + "".join([*parts, *direct, *edges])
        for changeable in (parts, edges, direct):
            rng.shuffle(changeable)
        two = "zlib" + "".join(parts).replace("x,y", "y,x") + " @ 2: , 1.2" + "  ".join([*direct, *edges])
        pairs.append((one, two))
    for (one, two), (fault, same) in zip(pairs, ask(pairs, tmp_path)):
        assert fault is None
        assert same
        assert spec.canonical(one) == spec.canonical(two)
