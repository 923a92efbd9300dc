"""The catalogue of requirements and the tests' links to it are in order: requirements.py, matrix.py."""

import os
import re
import subprocess
import sys

import pytest
import yaml

import requirements

DOCUMENT = requirements.DOCUMENT.read_text()
ENTRY = {
    "id": "SOCK-TX-001", "revision": 1, "level": "must", "aspect": "function", "zh": "发送", "en": "Sends.",
    "source": {"section": "socket.tx", "part": "heading", "line": 3}, "adapters": "all",
}
PAGE = {"function": "tx", "heading": "socket.tx(ctrl, data)", "requirements": [ENTRY]}


def parsed(page):
    return requirements.parse_page(yaml.safe_dump(page, allow_unicode=True), "tx.yaml")


def changed(**values):
    """PAGE whose only requirement has these values; None: lacks them."""
    entry = {**ENTRY, **values}
    return {**PAGE, "requirements": [{key: one for key, one in entry.items() if one is not None}]}


# ---- the catalogue and the tests ----------------------------------------------------------------


@pytest.fixture(scope="module")
def catalogue():
    return requirements.pages()


@pytest.fixture(scope="module")
def everything(catalogue):
    return requirements.requirements_of(catalogue)


def test_every_function_of_the_document_has_its_page(catalogue):
    assert not requirements.misplaced(catalogue, DOCUMENT)
    assert len(catalogue) == 23


def test_every_word_of_the_document_is_in_a_requirement_or_excused(catalogue):
    assert not requirements.unread(catalogue, DOCUMENT)


def test_requirements_quote_the_document(everything):
    assert not requirements.misquoted(everything, DOCUMENT)


def test_an_id_is_one_requirements_only(everything):
    assert not requirements.repeated(everything)


def test_ids_are_named_after_their_function(catalogue):
    for page in catalogue:
        names = {one.id.split("-")[1] for one in page.requirements}
        assert names == {"CONST" if page.function == "constants" else page.function.upper()}


def test_no_test_names_what_is_not_required(everything):
    """Or an older revision of what is."""
    assert not requirements.astray(everything, requirements.links())


def test_every_requirement_has_a_positive_and_a_negative_test(everything):
    """Whether they pass is what --matrix shows."""
    assert not requirements.untested(everything, requirements.links())


# ---- what is wrong is found ---------------------------------------------------------------------


def test_a_page_is_read_as_it_is_written():
    one = parsed(changed(decision="Only here.", adapters=["ETH0"])).requirements[0]
    assert (one.id, one.revision, one.level, one.aspect) == ("SOCK-TX-001", 1, "must", "function")
    assert (one.zh, one.en, one.decision) == ("发送", "Sends.", "Only here.")
    assert (one.function, one.part, one.line, one.adapters) == ("tx", "heading", 3, ("ETH0",))
    assert parsed(PAGE).requirements[0].adapters == requirements.ADAPTERS


@pytest.mark.parametrize("page, complaint", [
    ([], "is no mapping"),
    ({**PAGE, "function": "rx"}, "it is of the function tx"),
    ({**PAGE, "heading": ""}, "heading is a text"),
    ({**PAGE, "more": 1}, "unknown key, more"),
    ({**PAGE, "requirements": []}, "requirements is a list"),
    ({**PAGE, "requirements": ["text"]}, "is no mapping"),
    ({**PAGE, "not_requirements": [{"zh": "x"}]}, "lacks why"),
    ({**PAGE, "not_requirements": [{"zh": "x", "why": ""}]}, "zh and why are texts"),
    (changed(id="TX-1"), "is no id"),
    (changed(id=None), "lacks id"),
    (changed(revision=0), "revision is a number"),
    (changed(revision=True), "revision is a number"),
    (changed(level="may"), "level is must or should"),
    (changed(aspect="page"), "aspect is one of"),
    (changed(zh=""), "zh is a text"),
    (changed(en=5), "en is a text"),
    (changed(decision=" "), "decision is a text"),
    (changed(source=None), "lacks source"),
    (changed(source={"section": "socket.rx", "part": "heading", "line": 3}), "its section is socket.tx"),
    (changed(source={"section": "socket.tx", "part": "foot", "line": 3}), "part is one of"),
    (changed(source={"section": "socket.tx", "part": "heading", "line": "3"}), "line is a number"),
    (changed(adapters="none"), "adapters is all"),
    (changed(adapters=[]), "adapters is all"),
    (changed(adapters=["WIFI"]), "adapters is all"),
    (changed(note="x"), "unknown key, note"),
])
def test_a_malformed_page_is_refused(page, complaint):
    with pytest.raises(requirements.Malformed, match=complaint):
        parsed(page)


def test_what_is_no_yaml_is_refused():
    with pytest.raises(requirements.Malformed, match="tx.yaml"):
        requirements.parse_page("function: [", "tx.yaml")


MARKED = '''
import pytest

@pytest.mark.parametrize("a", [
    pytest.param(1, marks=pytest.mark.requirement("SOCK-TX-001", revision=1, kind="negative")),
])
@pytest.mark.requirement("SOCK-TX-001", revision=1, kind="positive")
def test_it(a):
    pass
'''


def test_markers_are_found_in_decorators():
    found = requirements.links_in(MARKED, "test_it.py")
    assert [(one.id, one.revision, one.kind, one.test) for one in found] == [
        ("SOCK-TX-001", 1, "negative", "test_it.py::test_it"),
        ("SOCK-TX-001", 1, "positive", "test_it.py::test_it"),
    ]


@pytest.mark.parametrize("marker", [
    '@pytest.mark.requirement("SOCK-TX-001", kind="positive")',
    '@pytest.mark.requirement("SOCK-TX-001", revision=1)',
    '@pytest.mark.requirement("SOCK-TX-001", revision="1", kind="positive")',
    '@pytest.mark.requirement("SOCK-TX-001", revision=1, kind="neutral")',
    '@pytest.mark.requirement("SOCK-TX-001", "SOCK-TX-002", revision=1, kind="positive")',
    '@pytest.mark.requirement(NAME, revision=1, kind="positive")',
    '@pytest.mark.requirement(*NAMES, **MORE)',
])
def test_a_malformed_marker_is_refused(marker):
    with pytest.raises(requirements.Malformed, match="marker"):
        requirements.links_in(f"{marker}\ndef test_it():\n    pass\n", "test_it.py")


@pytest.mark.parametrize("source", [
    'mark = pytest.mark.requirement("SOCK-TX-001", revision=1, kind="positive")\n',
    '@pytest.mark.requirement("SOCK-TX-001", revision=1, kind="positive")\ndef helper():\n    pass\n',
])
def test_a_marker_that_is_on_no_test_is_refused(source):
    with pytest.raises(requirements.Malformed, match="stands among the decorators of a test"):
        requirements.links_in(source, "test_it.py")


def test_a_repeated_id_is_found():
    assert requirements.repeated(parsed(PAGE).requirements * 2) == ["SOCK-TX-001"]


def test_a_requirement_without_a_test_is_found():
    known = parsed(PAGE).requirements
    both = requirements.links_in(MARKED, "test_it.py")
    assert not requirements.untested(known, both)
    assert requirements.untested(known, both[:1]) == ["SOCK-TX-001 has no positive test"]
    assert requirements.untested(known, both[1:]) == ["SOCK-TX-001 has no negative test"]


def test_a_link_to_another_revision_or_to_nothing_is_found():
    found = requirements.links_in(MARKED, "test_it.py")
    assert not requirements.astray(parsed(PAGE).requirements, found)
    wrong = requirements.astray(parsed(changed(revision=2)).requirements, found)
    assert len(wrong) == 2 and "is at revision 2, not 1" in wrong[0]
    wrong = requirements.astray(parsed(changed(id="SOCK-TX-002")).requirements, found)
    assert len(wrong) == 2 and "is no requirement" in wrong[0]


SMALL = "# lib\n\n## 常量 \n\n## socket.tx(ctrl, data) 发送数据\n"


def small(**values):
    """Two pages that fit SMALL but for these values of the second."""
    first = requirements.Page("constants", "常量", (), ("lib",))
    source = {"section": "socket.tx", "part": "heading", "line": 5}
    return [first, parsed(changed(**{"source": source, "zh": "发送数据", **values}))]


def test_words_that_no_requirement_has_are_found():
    assert not requirements.unread(small(), SMALL)
    assert requirements.unread(small(zh="发送"), SMALL) == ["line 5: 数据"]


def test_words_that_the_document_does_not_have_are_found():
    assert not requirements.misquoted(small()[1].requirements, SMALL)
    assert "does not say" in requirements.misquoted(small(zh="接收")[1].requirements, SMALL)[0]
    assert len(requirements.misquoted(small()[1].requirements * 2, SMALL)) == 2
    source = {"section": "socket.tx", "part": "heading", "line": 50}
    assert requirements.misquoted(small(source=source)[1].requirements, SMALL)


def test_sections_and_pages_that_do_not_match_are_found():
    assert not requirements.misplaced(small(), SMALL)
    assert requirements.misplaced(small()[1:], SMALL) == ["常量 has no page"]
    renamed = requirements.Page("constants", "常数", (), ())
    assert "constants: the document has no 常数" in requirements.misplaced([renamed], SMALL)
    source = {"section": "socket.tx", "part": "heading", "line": 1}
    assert "is not in" in requirements.misplaced(small(source=source), SMALL)[0]


# ---- the matrix ---------------------------------------------------------------------------------

CONFTEST = '''
import pathlib, requirements
requirements.FOLDER = pathlib.Path(__file__).parent
'''

SKIPPED = MARKED.replace("    pass", "    pytest.skip()")
FAILED = MARKED.replace("    pass", "    assert not a")
POSITIVE = MARKED.replace('"negative"', '"positive"')
MIXED = MARKED + FAILED.replace("test_it", "test_again")
OTHER = "def test_other():\n    assert False\n"
ALL = "all  1/1  -  -  -  -  -  1/1  1/1  1/1"
NONE = "all  0/1  -  -  -  -  -  0/1  0/1  0/1"


@pytest.mark.parametrize("tests, args, code, says", [
    (MARKED + OTHER, [], 0, [ALL, "everything is covered", "1 passed, 1 deselected"]),
    (MARKED, ["-n", "2"], 0, [ALL, "everything is covered"]),
    (FAILED, ["--collect-only"], 0, [ALL, "everything is covered"]),
    (FAILED, [], 1, [NONE, "SOCK-TX-001 positive: test_it.py::test_it[1] failed; 发送"]),
    (MIXED, [], 1, [NONE, "SOCK-TX-001 positive: test_it.py::test_again[1] failed; 发送"]),
    (SKIPPED, [], 1, [NONE, "SOCK-TX-001 negative: test_it.py::test_it[1] skipped; 发送"]),
    (POSITIVE, [], 1, ["all  0/1  -  -  -  -  -  1/1  0/1  0/1", "SOCK-TX-001 negative: no test; 发送"]),
    (POSITIVE, ["--collect-only"], 1, ["SOCK-TX-001 negative: no test; 发送"]),
    (OTHER, [], 1, [NONE]),
])
def test_the_matrix_shows_what_passed_and_fails_for_less_than_all(tmp_path, tests, args, code, says):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers -p matrix\n")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(tests)
    (tmp_path / "tx.yaml").write_text(yaml.safe_dump(PAGE, allow_unicode=True))
    env = {**os.environ, "PYTHONPATH": str(requirements.HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    env.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run([sys.executable, "-m", "pytest", "--matrix", *args], cwd=tmp_path, env=env,
                          capture_output=True, text=True)
    squeezed = re.sub(" {2,}", "  ", done.stdout)
    for line in says:
        assert line in squeezed, done.stdout + done.stderr
    assert done.returncode == code, done.stdout + done.stderr
