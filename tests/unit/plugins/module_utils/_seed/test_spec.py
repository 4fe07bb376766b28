"""Spack specs: what is read, what is refused, and the canonical form."""

from __future__ import annotations

import contextlib
import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._seed import spec

CANONICAL = {
    "gcc@11.3.0": "gcc@11.3.0",
    "samtools@1.17 ^htslib+libcurl": "samtools@1.17 ^htslib+libcurl",
    "hdf5@1.14 +mpi api=v18": "hdf5@1.14+mpi api=v18",
    "  zlib   ": "zlib",
    "zlib +b -a": "zlib~a+b",
    "zlib ~ a + b": "zlib~a+b",
    "zlib++b~~a": "zlib~~a++b",
    "zlib shared=true pic=False": "zlib~pic+shared",
    "fftw precision=float,double,float": "fftw precision=double,float",
    "fftw precision:=float,double": "fftw precision:=double,float",
    "fftw precision==float": "fftw precision==float",
    "fftw precision='float'": "fftw precision=float",
    "fftw precision=*": "fftw precision=*",
    "x note='two words'": "x note='two words'",
    'x note="it\'s"': 'x note="it\'s"',
    "x@1.2:1.4,1.3:1.5": "x@1.2:1.5",
    "x@2,1": "x@1:2",  # nothing lies between 1.x and 2
    "x@3,1": "x@1,3",
    "x@1.2:,1.5": "x@1.2:",
    "x@1.2:1.2": "x@1.2",
    "x@=1.2,1.2": "x@1.2",
    "x@:": "x",
    "x@=1.2": "x@=1.2",
    "x@git.main=1.2": "x@git.main=1.2",
    "x@git.feature/a-b": "x@git.feature/a-b",
    "x@" + "a1" * 20 + "=2": "x@" + "a1" * 20 + "=2",
    "x@main:develop": "x@main:develop",
    "x %gcc@12": "x %gcc@12",
    "x%gcc@12": "x %gcc@12",
    "x %% gcc": "x %%gcc",
    "x %clang@17": "x %llvm@17",
    "x %cxx,c=gcc": "x %c,cxx=gcc",
    "x %[virtuals=c] gcc": "x %c=gcc",
    "x ^[virtuals=mpi deptypes=run,link] openmpi": "x ^[deptypes=link,run virtuals=mpi] openmpi",
    "x %[when='+mpi @2'] gcc": "x %[when='@2+mpi'] gcc",
    "x ^b ^a %gcc ^c": "x ^a %gcc ^b ^c",
    "x ^b %gcc": "x ^b %gcc",
    "x %gcc ^b": "x %gcc ^b",
    "x ^zlib@1.2: ^zlib@:1.3": "x ^zlib@1.2:1.3",
    "x ^zlib+pic ^zlib~shared": "x ^zlib+pic~shared",
    "x ^zlib pic=* ^zlib~pic": "x ^zlib~pic",
    "x ^zlib cuda=70 ^zlib cuda=80": "x ^zlib cuda=70,80",
    "x ^zlib cuda:=70,80 ^zlib cuda=80": "x ^zlib cuda:=70,80",
    "builtin.zlib": "builtin.zlib",
    "zlib namespace=builtin": "builtin.zlib",
    "x arch=linux-debian12-x86_64_v3": "x platform=linux os=debian12 target=x86_64_v3",
    "x architecture=x86_64 os=rocky9": "x os=rocky9 target=x86_64",
    "x cflags='-O3  -g' cflags=-Wall": "x cflags='-O3 -g -Wall'",
    "x cxxflags==-g cxxflags=-O2": "x cxxflags==-g cxxflags=-O2",
    "x/abc123": "x /abc123",
    "7zip": "7zip",
    "py-numpy@1.26+blas": "py-numpy@1.26+blas",
    "x key==": "x key='='",
}


@pytest.mark.parametrize(("text", "form"), CANONICAL.items())
def test_canonical_form(text: str, form: str) -> None:
    assert spec.canonical(text) == form
    assert spec.canonical(form) == form


REFUSED = {
    "": "it is empty",
    "   ": "it is empty",
    "+mpi": "the name of a package is missing",
    "@1.2": "the name of a package is missing",
    "*": "the name of a package is missing",
    "zlib ^": "the name of a package is missing behind this",
    "zlib %+x": "the name of a package is missing behind this",
    "zlib hdf5": "a second spec",
    "zlib@1.2@1.3": "a second version",
    "zlib@3:1": "the range 3:1 is empty",
    "zlib@=1:=2": "no version",
    "zlib@@1": "unexpected '@'",
    "zlib!": "unexpected '!'",
    "zlib; rm -rf /": "unexpected ';'",
    "zlib $(id)": "unexpected '$'",
    "{{ lookup('pipe', 'id') }}": "unexpected '{'",
    "zlib+x~x": "given twice",
    "zlib x=1 x=2": "given twice",
    "zlib a=*,b": "any value",
    "zlib +target": "target wants a value",
    "zlib ~cflags": "cflags wants a value",
    "zlib target==x86_64": "cannot be propagated",
    "zlib target=x86_64 target=aarch64": "a second target",
    "zlib os=rocky9 arch=x86_64": "a second architecture",
    "zlib os=fe": "something else on every host",
    "zlib/abc/def": "a second hash",
    "zlib/abc.yaml": "a file",
    "./zlib.json": "a file",
    "zlib ^[mood=good] x": "only deptypes=, virtuals= and when=",
    "zlib ^[virtuals=mpi x": "] is missing",
    "zlib ^[deptypes=never] x": "no type of dependency",
    "zlib ^[virtuals=a:b] x": "no virtual package",
    "zlib ^[when='@'] x": "the condition is no spec",
    "zlib ^[when='@1,2'] x": "cannot stand in a condition",
    "zlib ^a@1 ^a@2": "no version in common",
    "zlib ^a+x ^a~x": "with another x",
    "zlib ^a x:=1 ^a x=2": "with another x",
    "zlib ^a target=x86_64 ^a target=aarch64": "with another target",
    "zlib ^[deptypes=link] a ^[deptypes=run] a": "exclude each other",
    "zlib x='a\nb'": "cannot be quoted",
    "zlib x=a\\": "cannot be quoted",
    "zlib namespace=a/b": "no namespace",
    "x" * 1001: "longer than",
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.items())
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(spec.SpecError) as caught:
        spec.parse(text)
    assert reason in caught.value.reason
    assert 0 <= caught.value.position <= len(text)


def test_errors_point_at_the_fault() -> None:
    with pytest.raises(spec.SpecError) as caught:
        spec.parse("openmpi@4.1 +cuda !fast")
    assert str(caught.value) == "unexpected '!'\nopenmpi@4.1 +cuda !fast\n                  ^"
    assert caught.value.position == 18


def test_carets_stay_below_the_fault_in_a_long_spec() -> None:
    with pytest.raises(spec.SpecError) as caught:
        spec.parse("x " + " ".join(f"v{i}=1" for i in range(100)) + " !")
    piece, carets = caught.value.caret().splitlines()
    assert piece[carets.index("^")] == "!"
    assert len(piece) <= 100


def test_a_value_never_reaches_a_terminal_raw() -> None:
    with pytest.raises(spec.SpecError) as caught:
        spec.parse("x \x1b[31m")
    assert "\x1b" not in str(caught.value)


def test_the_tree() -> None:
    parsed = spec.parse("builtin.hdf5@1.14 +mpi %c=gcc@12 ^openmpi ~cuda")
    assert (parsed.namespace, parsed.name, str(parsed.versions)) == ("builtin", "hdf5", "1.14")
    assert parsed.variants == (spec.Variant("mpi", True, False, True),)
    compiler, mpi = parsed.dependencies
    assert (compiler.direct, compiler.virtuals, str(compiler.spec)) == (True, ("c",), "gcc@12")
    assert (mpi.direct, str(mpi.spec)) == (False, "openmpi~cuda")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("hdf5 %gcc@12.2.0 +pic", "hdf5+pic %gcc@12.2.0"),
        ("hdf5 %c,cxx=gcc@12 +pic api=v18", "hdf5+pic api=v18 %c,cxx=gcc@12"),
        ("hdf5 %gcc@12 target=zen3 cflags=-O3", "hdf5 cflags=-O3 target=zen3 %gcc@12"),
        ("hdf5 %gcc@12 +binutils +pic", "hdf5+pic %gcc@12+binutils"),
        ("hdf5 %clang +pic", "hdf5+pic %llvm"),
        ("hdf5 ^zlib %gcc@12 +pic", "hdf5 ^zlib+pic %gcc@12"),
        # What the package says itself stays as it is.
        ("hdf5+pic target=zen2 %gcc ~pic target=zen3", "hdf5+pic target=zen2 %gcc~pic target=zen3"),
        ("hdf5 %llvm +flang ^openmpi", "hdf5 %llvm+flang ^openmpi"),
        ("hdf5 %cmake +ownlibs", "hdf5 %cmake+ownlibs"),
    ],
)
def test_what_stands_behind_a_compiler_and_is_meant_for_the_package(text: str, meant: str) -> None:
    assert str(spec.parse(text).with_compilers_last()) == meant
    assert spec.parse(meant).with_compilers_last() == spec.parse(meant)


@pytest.mark.parametrize("piece", ["a", "-", "a-", "a.", ":", "1,", "^a", "%[", "'", "\\\\'", "+ ", "@1:", "a=", " "])
def test_no_text_takes_long(piece: str) -> None:
    start = time.process_time()
    for beginning in ("", "x", "x@", "x a='", "x ^[when='"):
        with contextlib.suppress(spec.SpecError):
            spec.parse((beginning + piece * 1000)[:998] + "!")
    assert time.process_time() - start < 1


ALPHABET = "abz019_-.@+~%^=:,/[]'\" *\\|{}$\n"


@given(st.text(ALPHABET, max_size=30) | st.text(max_size=20))
def test_any_text_is_read_or_refused_and_what_is_read_is_stable(text: str) -> None:
    try:
        form = spec.canonical(text)
    except spec.SpecError:
        return
    assert spec.canonical(form) == form


NAMES = st.sampled_from(["zlib", "hdf5", "py-numpy", "builtin.openmpi", "7zip"])
VERSIONS = st.sampled_from(["", "@1.2", "@=1.2", "@1.2:1.4", "@1:,0.9", "@git.main=1.2", "@develop"])
VARIANTS = st.lists(
    st.sampled_from(["+a", "~b", "++c", "d=x,y", "e:=z", "f='p q'", "g==1", "cflags='-O2 -g'", "target=x86_64_v3"]),
    unique=True,
    max_size=5,
)


@given(NAMES, VERSIONS, VARIANTS, st.randoms(use_true_random=False))
def test_order_and_spaces_do_not_matter(name: str, version: str, variants: list[str], random: Random) -> None:
    shuffled = list(variants)
    random.shuffle(shuffled)
    one = spec.canonical(f"{name}{version} " + " ".join(variants))
    assert spec.canonical(f" {name} {'   '.join(shuffled)}   {version}") == one
