"""Which requirements of the document are held by tests that passed.

    pytest conformance --matrix                    # runs the tests that name a requirement, prints
    pytest conformance --matrix --collect-only     # runs none: what would be covered if all passed

The catalogue is read by requirements.py. A requirement is covered by positive and negative tests of
which at least one passed each and none failed; a skipped test covers nothing. Less than all is exit
status 1.
"""

import pytest

import requirements

PROPERTY = "requirement"
STATE = pytest.StashKey()


class Matrix:
    """What the tests of this run have shown."""

    def __init__(self):
        self.outcomes = {}  # (id, kind) -> {test: "passed" or why not}

    def add(self, test, marks, outcome):
        for mark in marks:
            tests = self.outcomes.setdefault(tuple(mark), {})
            if tests.get(test, "passed") == "passed":  # a phase that went wrong stays
                tests[test] = outcome

    def is_covered(self, requirement, kind):
        outcomes = self.outcomes.get((requirement.id, kind), {}).values()
        return "passed" in outcomes and "failed" not in outcomes

    def why_not(self, requirement, kind):
        tests = self.outcomes.get((requirement.id, kind))
        if not tests:
            return "no test"
        return ", ".join(f"{test} {outcome}" for test, outcome in tests.items() if outcome != "passed")

    def covers(self, requirement):
        return all(self.is_covered(requirement, kind) for kind in requirements.KINDS)


def marks_of(item):
    return [[mark.args[0], mark.kwargs["kind"]] for mark in item.iter_markers(PROPERTY)]


def pytest_addoption(parser):
    parser.addoption("--matrix", action="store_true",
                     help="run the tests that name a requirement, and show what is covered")


def pytest_configure(config):
    config.addinivalue_line("markers", "requirement(id, revision, kind): what the test holds us to; "
                                       "kind is positive or negative (requirements.py)")
    config.stash[STATE] = Matrix()
    config.pluginmanager.register(Listener(config.stash[STATE]))


class Listener:
    """Hears the reports, also those of other processes."""

    def __init__(self, matrix):
        self.matrix = matrix

    def pytest_runtest_logreport(self, report):
        marks = [value for name, value in report.user_properties if name == PROPERTY]
        if report.when == "call" or report.outcome != "passed":
            self.matrix.add(report.nodeid, marks, report.outcome)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    if config.option.matrix:
        config.hook.pytest_deselected(items=[item for item in items if not marks_of(item)])
        items[:] = [item for item in items if marks_of(item)]
    for item in items:
        item.user_properties += [(PROPERTY, mark) for mark in marks_of(item)]


def pytest_collection_finish(session):
    if session.config.option.collectonly:
        for item in session.items:
            session.config.stash[STATE].add(item.nodeid, marks_of(item), "passed")


# ---- what is shown ------------------------------------------------------------------------------


def share(wanted, is_held):
    """"3/4", and "-" of nothing."""
    held = sum(map(is_held, wanted))
    return f"{held}/{len(wanted)}" if wanted else "-"


def row(title, wanted, matrix):
    cells = [share([one for one in wanted if one.aspect == aspect], matrix.covers)
             for aspect in requirements.ASPECTS]
    cells += [share(wanted, lambda one, kind=kind: matrix.is_covered(one, kind))
              for kind in requirements.KINDS]
    return [title, *cells, share(wanted, matrix.covers)]


def table(pages, matrix):
    """The lines of the matrix: a function a line, and the sum."""
    rows = [["", *requirements.ASPECTS, *requirements.KINDS, "covered"]]
    rows += [row(page.section, page.requirements, matrix) for page in pages]
    rows.append(row("all", requirements.requirements_of(pages), matrix))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join([cells[0].ljust(widths[0]),
                       *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:]))])
            for cells in rows]


def gaps(pages, matrix):
    """A line for each requirement and kind that no test has shown."""
    return [f"{one.id} {kind}: {matrix.why_not(one, kind)}; {one.zh}"
            for one in requirements.requirements_of(pages) for kind in requirements.KINDS
            if not matrix.is_covered(one, kind)]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    config = session.config
    if not config.option.matrix or hasattr(config, "workerinput"):
        return
    if gaps(requirements.pages(), config.stash[STATE]) and session.exitstatus in (0, 5):
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter, config):
    if not config.option.matrix:
        return
    pages, matrix = requirements.pages(), config.stash[STATE]
    terminalreporter.section("the document, requirement by requirement")
    for line in table(pages, matrix):
        terminalreporter.line(line)
    left = gaps(pages, matrix)
    terminalreporter.line("")
    terminalreporter.line("everything is covered" if not left else "not covered:")
    for line in left:
        terminalreporter.line(f"  {line}")
