"""The catalogue: what the document says of the library, sentence by sentence, and who tests it.

requirements/socket-api.md is the document; requirements/FUNCTION.yaml is what it says of one function:

    function: tx
    heading: socket.tx(ctrl, data, ip, port, flag)
    requirements:
    - id: SOCK-TX-001             # for ever this sentence's
      revision: 1                 # counts up when zh, en or decision changes what is asked for
      level: must                 # or should: what the document only advises
      aspect: function            # parameter, return, example, constant or note
      zh: 发送数据给对端            # the document's own words
      en: Sends data to the peer.
      decision: ...               # optional: what holds where the document is silent or contradicted
      source: {section: socket.tx, part: heading, line: 236}
      adapters: all               # or a list of names
    not_requirements:             # optional: the document's other words
    - zh: 2024.1.5 新增
      why: the firmware's history

A test says which requirements it holds the emulator to; negative means: by what is wrong, out of range,
released, switched off or broken.

    @pytest.mark.requirement("SOCK-TX-001", revision=1, kind="positive")

The lint of all this is in test_requirements.py, what is covered is shown by matrix.py.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

HERE = Path(__file__).parent
FOLDER = HERE / "requirements"
DOCUMENT = FOLDER / "socket-api.md"

LEVELS = ("must", "should")
ASPECTS = ("function", "parameter", "return", "example", "constant", "note")
PARTS = ("heading", "constants", "parameters", "returns", "example")
KINDS = ("positive", "negative")
ADAPTERS = ("LWIP_GP", "LWIP_STA", "LWIP_AP", "LWIP_ETH", "ETH0", "USB")

# what of the document is neither a requirement nor words: rules, table heads, code fences, "none"
STRUCTURE = re.compile(r"#*|(- ?)*|\*\*(参数|返回值|例子)\*\*|(传入|返回)值类型 解释|```(lua)?|--\[\[ \]\]|(无 )?---")


class Malformed(Exception):
    """A file of the catalogue, or a marker, is not what it has to be."""


@dataclass(frozen=True)
class Requirement:
    id: str
    revision: int
    level: str
    aspect: str
    zh: str
    en: str
    part: str
    line: int  # of the document, from 1
    adapters: tuple
    decision: str
    function: str


@dataclass(frozen=True)
class Page:
    """One file."""
    function: str
    heading: str
    requirements: tuple
    not_requirements: tuple  # the document's words

    @property
    def section(self):
        return "constants" if self.function == "constants" else f"socket.{self.function}"


@dataclass(frozen=True)
class Link:
    """A test's marker."""
    id: str
    revision: int
    kind: str
    test: str
    line: int


# ---- reading ------------------------------------------------------------------------------------


def check(condition, where, what):
    if not condition:
        raise Malformed(f"{where}: {what}")


def check_keys(entry, wanted, optional, where):
    check(isinstance(entry, dict), where, "is no mapping")
    for key in wanted:
        check(key in entry, where, f"lacks {key}")
    for key in entry:
        check(key in wanted or key in optional, where, f"has an unknown key, {key}")


def is_text(value):
    return isinstance(value, str) and value.strip() == value != ""


def is_count(value):
    return type(value) is int and value >= 1


def parse_requirement(entry, function, section, file):
    where = f"{file}: {entry.get('id') if isinstance(entry, dict) else entry}"
    check_keys(entry, ("id", "revision", "level", "aspect", "zh", "en", "source", "adapters"),
               ("decision",), where)
    check(re.fullmatch(r"SOCK-[A-Z]+-\d{3}", str(entry["id"])), where, "is no id")
    check(is_count(entry["revision"]), where, "revision is a number from 1 on")
    check(entry["level"] in LEVELS, where, f"level is {' or '.join(LEVELS)}")
    check(entry["aspect"] in ASPECTS, where, f"aspect is one of {', '.join(ASPECTS)}")
    for key in ("zh", "en", "decision"):
        check(key not in entry or is_text(entry[key]), where, f"{key} is a text")
    source = entry["source"]
    check_keys(source, ("section", "part", "line"), (), f"{where}: source")
    check(source["section"] == section, where, f"its section is {section}")
    check(source["part"] in PARTS, where, f"part is one of {', '.join(PARTS)}")
    check(is_count(source["line"]), where, "line is a number from 1 on")
    adapters = ADAPTERS if entry["adapters"] == "all" else entry["adapters"]
    check(isinstance(adapters, (list, tuple)) and adapters and set(adapters) <= set(ADAPTERS), where,
          f"adapters is all, or a list of {', '.join(ADAPTERS)}")
    return Requirement(
        id=entry["id"], revision=entry["revision"], level=entry["level"], aspect=entry["aspect"],
        zh=entry["zh"], en=entry["en"], part=source["part"], line=source["line"],
        adapters=tuple(adapters), decision=entry.get("decision", ""), function=function)


def parse_page(text, file):
    """The page that the file's text says. Raises Malformed."""
    try:
        entry = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Malformed(f"{file}: {error}") from None
    check_keys(entry, ("function", "heading", "requirements"), ("not_requirements",), file)
    check(entry["function"] == Path(file).stem, file, f"it is of the function {Path(file).stem}")
    check(is_text(entry["heading"]), file, "heading is a text")
    page = Page(entry["function"], entry["heading"], (), ())
    check(isinstance(entry["requirements"], list) and entry["requirements"], file,
          "requirements is a list")
    others = entry.get("not_requirements", [])
    check(isinstance(others, list), file, "not_requirements is a list")
    for other in others:
        check_keys(other, ("zh", "why"), (), f"{file}: not_requirements")
        check(is_text(other["zh"]) and is_text(other["why"]), file, "zh and why are texts")
    return Page(page.function, page.heading,
                tuple(parse_requirement(one, page.function, page.section, file)
                      for one in entry["requirements"]),
                tuple(other["zh"] for other in others))


def pages():
    """All of the catalogue, in the document's order."""
    read = [parse_page(path.read_text(), path.name) for path in sorted(FOLDER.glob("*.yaml"))]
    return sorted(read, key=lambda page: page.requirements[0].line)


def requirements_of(some_pages):
    return [one for page in some_pages for one in page.requirements]


# ---- who tests them -----------------------------------------------------------------------------


def is_marker(node):
    """Is this pytest.mark.requirement(...)?"""
    return (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            and node.func.attr == "requirement" and ast.unparse(node.func.value) == "pytest.mark")


def parse_marker(node, test):
    where = f"{test}, line {node.lineno}"
    try:
        values = [ast.literal_eval(one) for one in node.args]
        named = {one.arg: ast.literal_eval(one.value) for one in node.keywords}
    except (ValueError, TypeError):
        raise Malformed(f"{where}: the marker's arguments are no literals") from None
    check(len(values) == 1 and set(named) == {"revision", "kind"}, where,
          'a marker is requirement("ID", revision=N, kind="positive" or "negative")')
    check(isinstance(values[0], str) and is_count(named["revision"]) and named["kind"] in KINDS,
          where, f"a marker with wrong values: {ast.unparse(node)}")
    return Link(values[0], named["revision"], named["kind"], test, node.lineno)


def links_in(source, file):
    """The markers of a file's tests, read without running it. Raises Malformed."""
    found = []
    tree = ast.parse(source)
    on_tests = set()
    for function in tree.body:
        if not isinstance(function, ast.FunctionDef) or not function.name.startswith("test_"):
            continue
        for decorator in function.decorator_list:
            for node in ast.walk(decorator):
                if is_marker(node):
                    on_tests.add(node)
                    found.append(parse_marker(node, f"{file}::{function.name}"))
    for node in ast.walk(tree):
        check(not is_marker(node) or node in on_tests, f"{file}, line {getattr(node, 'lineno', 0)}",
              "a marker stands among the decorators of a test")
    return found


def links():
    """Of all tests."""
    return [link for path in sorted(HERE.glob("test_*.py"))
            for link in links_in(path.read_text(), path.name)]


# ---- what is wrong ------------------------------------------------------------------------------


def repeated(requirements):
    """Ids that several requirements have."""
    ids = [one.id for one in requirements]
    return sorted({one for one in ids if ids.count(one) > 1})


def untested(requirements, some_links):
    """["SOCK-TX-001 has no negative test", ...]"""
    held = {(link.id, link.kind) for link in some_links}
    return [f"{one.id} has no {kind} test" for one in requirements for kind in KINDS
            if (one.id, kind) not in held]


def astray(requirements, some_links):
    """Links to what the catalogue does not have, or has in another revision."""
    revisions = {one.id: one.revision for one in requirements}
    wrong = []
    for link in some_links:
        where = f"{link.test}, line {link.line}: {link.id}"
        if link.id not in revisions:
            wrong.append(f"{where} is no requirement")
        elif link.revision != revisions[link.id]:
            wrong.append(f"{where} is at revision {revisions[link.id]}, not {link.revision}")
    return wrong


def misquoted(requirements, document):
    """Requirements whose words do not stand where they say, or not as often."""
    lines = ["", *document.splitlines()]
    places = [(one.line, one.zh) for one in requirements]
    return [f"{one.id}: line {one.line} does not say {one.zh!r}, or another has it" for one in requirements
            if one.line >= len(lines)
            or lines[one.line].count(one.zh) < places.count((one.line, one.zh))]


def sections(document):
    """{heading: (first line, last line)} of the document."""
    lines = document.splitlines()
    starts = [n for n, line in enumerate(lines, 1) if line.startswith("## ")]
    found = {}
    for start, following in zip(starts, starts[1:] + [len(lines) + 1]):
        heading = re.match(r"## (socket\.\w+\(.*?\)|常量)", lines[start - 1])[1]
        found[heading] = (start, following - 1)
    first = found["常量"]
    found["常量"] = (1, first[1])
    return found


def misplaced(some_pages, document):
    """Sections without a page, pages without a section, requirements outside of their section."""
    there = sections(document)
    wrong = [f"{heading} has no page" for heading in there
             if heading not in [page.heading for page in some_pages]]
    for page in some_pages:
        first, last = there.get(page.heading, (1, 0))
        if first > last:
            wrong.append(f"{page.function}: the document has no {page.heading}")
        wrong += [f"{one.id}: line {one.line} is not in {page.heading}" for one in page.requirements
                  if not first <= one.line <= last]
    return wrong


def unread(some_pages, document):
    """["line 5: ...", ...]: what of the document's words is in no requirement, nor excused."""
    lines = document.splitlines()
    there = sections(document)
    left = []
    for page in some_pages:
        first, last = there[page.heading]
        for n in range(first, last + 1):
            lines[n - 1] = lines[n - 1].removeprefix(f"## {page.heading}")
            words = [one.zh for one in page.requirements if one.line == n]
            for word in sorted(words, key=len, reverse=True):
                lines[n - 1] = lines[n - 1].replace(word, "\0", 1)
            for word in sorted(page.not_requirements, key=len, reverse=True):
                lines[n - 1] = lines[n - 1].replace(word, "\0")
    for n, line in enumerate(lines, 1):
        rest = re.sub(r"[\0\s|,]+", " ", line).strip()
        if not STRUCTURE.fullmatch(rest):
            left.append(f"line {n}: {rest}")
    return left
