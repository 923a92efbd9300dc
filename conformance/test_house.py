"""The house rules a compiler cannot check. See README.md, section House rules."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(p for d in ("emu", "luabind", "adapters") for p in (ROOT / d).rglob("*.[ch]"))
HEADERS = [p for p in SOURCES if p.suffix == ".h"]
PRODUCTION = [p for p in SOURCES if not p.stem.endswith("_test")]
CASES = sorted((ROOT / "conformance/cases").rglob("*.lua"))

# folder -> project folders its files may include
MAY_INCLUDE = {
    "emu": {"emu"},
    "adapters": {"adapters", "emu"},
    "luabind": {"luabind", "emu"},
}
# Who may speak with OpenSSL: TLS, in the device and in the lab, and the script's crypto library.
OPENSSL = r"emu/(tls\w*|crypto)\.[ch]|adapters/lab/\w+\.[ch]|emu/fuzz/.*|\w+/\w+_test\.c"

COMPOSITION_ROOT = ROOT / "emu" / "main.c"

# folder -> system headers that belong to another layer
MAY_NOT_INCLUDE = {
    "emu": r"(lua|lauxlib|lualib)\.h|sys/socket\.h|sys/un\.h|netdb\.h|ifaddrs\.h|linux/.*|netlink/.*",
    "adapters": r"(lua|lauxlib|lualib)\.h",
    "luabind": r"sys/socket\.h|sys/un\.h|netdb\.h|ifaddrs\.h|linux/.*|netlink/.*|netinet/.*",
}

# OpenSSL has entropy and a clock of its own: who may use it
OPENSSL_USERS = r"emu/(tls(_\w+)?|crypto)\.[ch]"

# impure call -> the files that may make it
ONE_DOOR = {
    r"(clock_gettime|gettimeofday|timespec_get|time|ftime)\(": {"emu/vclock.c"},
    r"(sleep|usleep|nanosleep|clock_nanosleep)\(": {"emu/vclock.c"},
    r"(rand|srand|random|srandom|drand48|getrandom|getentropy|arc4random\w*)\(": {"emu/rng.c"},
    r"epoll_\w+\(": {"emu/loop.c"},
    r"(poll|ppoll|select|pselect)\(": {"emu/fdio.c"},  # until what reads our output has room
    r"(exit|_exit|quick_exit)\(": {"emu/main.c", "adapters/keeper.c", "adapters/child.c"},
    r"abort\(": {"emu/util.c"},
    r"(system|popen|fork|vfork|execv\w*|execl\w*|posix_spawn\w*)\(": {"adapters/keeper.c", "adapters/child.c"},
}


def rel(path):
    return path.relative_to(ROOT).as_posix() if isinstance(path, Path) else "none"


def code_of(path):
    """The text without its comments, and with empty strings."""
    text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S)
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', text)


def includes_of(path):
    return re.findall(r'^#include "([^"]+)"', path.read_text(), re.M)


def test_there_is_something_to_check():
    assert len(SOURCES) > 50 and COMPOSITION_ROOT.exists()


@pytest.mark.parametrize("path", SOURCES, ids=rel)
def test_includes_follow_the_layers(path):
    """emu <- luabind, emu <- adapters; main.c is the only file that sees all three."""
    if path == COMPOSITION_ROOT:
        return
    folder = path.relative_to(ROOT).parts[0]
    for included in includes_of(path):
        assert included.split("/")[0] in MAY_INCLUDE[folder], f"may not include {included}"
    for included in re.findall(r"^#include <([^>]+)>", path.read_text(), re.M):
        assert not re.fullmatch(MAY_NOT_INCLUDE[folder], included), f"may not include <{included}>"


@pytest.mark.parametrize("path", SOURCES, ids=rel)
def test_includes_are_spelled_from_the_root(path):
    """And a source's own header comes first, which proves that it stands alone."""
    includes = includes_of(path)
    for included in includes:
        assert (ROOT / included).is_file(), f"{included} is not a file of the project"
    own = path.with_suffix(".h")
    if path.suffix == ".c" and own.exists():
        first = re.search(r'^#include [<"]([^>"]+)', path.read_text(), re.M)[1]
        assert first == rel(own), f"{rel(own)} comes first"


@pytest.mark.parametrize("path", SOURCES, ids=rel)
def test_private_headers_are_included_by_whom_they_name(path):
    """The first line of x_priv.h names its includers."""
    for included in includes_of(path):
        if included.endswith("_priv.h"):
            assert path.name in (ROOT / included).read_text().splitlines()[0], included


@pytest.mark.parametrize("path", SOURCES, ids=rel)
def test_openssl_is_used_by_few(path):
    """It has a clock and entropy of its own."""
    if not re.fullmatch(OPENSSL, rel(path)):
        assert not re.search(r"^#include <openssl/", path.read_text(), re.M)


@pytest.mark.parametrize("path", PRODUCTION, ids=rel)
def test_impure_calls_have_one_door(path):
    """Time, randomness, waiting and the end of the process come from one file each."""
    code = code_of(path)
    for call, doors in ONE_DOOR.items():
        if rel(path) not in doors:
            found = re.search(r"(?<![\w.>])" + call, code)
            assert not found, f"{found[0]}...) belongs in {doors or 'no file'}"


def test_openssl_is_used_for_tls_and_crypto_only():
    for path in PRODUCTION:
        if "#include <openssl/" in path.read_text():
            assert re.fullmatch(OPENSSL_USERS, rel(path)), f"{rel(path)} may not use OpenSSL"


@pytest.mark.parametrize("path", PRODUCTION, ids=rel)
def test_there_is_no_mutable_global(path):
    """So that one process can hold many devices. A signal's handler has no other way to its own."""
    code = re.sub(r"^#.*(\\\n.*)*", "", code_of(path), flags=re.M)
    for found in re.findall(r"^(?:static |extern )?[a-z][\w \t*]*[\w\]\[]+ *(?:=[^;]*|\[[^;]*)?;", code, re.M):
        declares_functions = re.match(r"(static )?\w+_fn\b", found)
        is_type = re.match(r"(typedef|(struct|union|enum) \w+;)", found)
        is_signalled = path == COMPOSITION_ROOT and "volatile" in found
        assert ("const" in found or "static_assert" in found or declares_functions or is_type
                or is_signalled), found


@pytest.mark.parametrize("path", HEADERS, ids=rel)
def test_a_header_opens_with_what_it_is(path):
    """'/* name: one sentence.', or, of a private one, who includes it."""
    text = path.read_text()
    if path.stem.endswith("_priv"):
        assert re.match(r"/\* Included by ", text)
    else:
        assert re.match(r"/\*\s+(\* )?" + re.escape(path.stem) + r": \S", text)
    assert re.search(r"^#pragma once$", text, re.M)


@pytest.mark.parametrize("path", SOURCES, ids=rel)
def test_the_source_is_tidy(path):
    """What .clang-format does not do."""
    text = path.read_text()
    assert "\t" not in text
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text)
    assert not re.search(r"^\s*//|[;{})]\s*//", code_of(path), re.M), "comments are /* */"


def test_only_function_types_are_typedefd():
    """And their names end in _fn."""
    for path in SOURCES:
        for found in re.findall(r"^typedef [^;]*;", code_of(path), re.M):
            assert re.search(r"\b\w+_fn\(", found), f"{rel(path)}: {found}"


@pytest.mark.parametrize("path", CASES, ids=rel)
def test_a_case_says_first_what_happens(path):
    first = path.read_text().splitlines()[0]
    assert re.match(r"-- [A-Z].*[^,]$", first), first


def test_every_case_is_run():
    """A fixture that no test names is deleted."""
    tests = "".join(p.read_text() for p in (ROOT / "conformance").glob("*.py"))
    for case in CASES:
        name = case.relative_to(ROOT / "conformance/cases").with_suffix("").as_posix()
        assert name in tests, f"no test runs {name}"
