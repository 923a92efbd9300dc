"""What the READMEs print works, and both say the same."""

import re
import shutil
import socket
import subprocess

import pytest

from conftest import ROOT
from peers import until

READMES = ["README.md", "README.zh-CN.md"]


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def blocks(name, language):
    """The fenced blocks of a README in @language, by the file name in their first line."""
    text = (ROOT / name).read_text()
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)
    return {re.match(r"-- ([\w-]+\.lua)", block).group(1): block for block in found}


@pytest.mark.parametrize("readme", READMES)
def test_the_ten_line_script_prints_its_echo(emu, readme):
    done = emu.run(emu.lua(blocks(readme, "lua")["hello.lua"]), "--lab")
    assert done.code == 0
    assert done.texts("echo") == ["true hello"]


@pytest.mark.parametrize("readme", READMES)
def test_the_lab_s_tls_script_connects(emu, readme):
    done = emu.run(emu.lua(blocks(readme, "lua")["lab-tls.lua"]), "--lab")
    assert done.texts("connected") == ["true"]


@pytest.mark.parametrize("readme", READMES)
def test_the_tls_script_speaks_to_a_server_of_ones_own(emu, peers, readme, tmp_path):
    """With the certificate that the README's own command makes."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    text = (ROOT / readme).read_text()
    command = re.search(r"^openssl req .*?\\\n.*?$", text, re.M | re.S).group(0)
    subprocess.run(command, shell=True, cwd=tmp_path, check=True, capture_output=True)
    port = peers.listen_port()
    server = subprocess.Popen(["openssl", "s_server", "-accept", str(port), "-cert", "ca.pem",
                               "-key", "key.pem", "-rev", "-quiet"], cwd=tmp_path,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        until(lambda: is_listening(port), "s_server listens")
        script = blocks(readme, "lua")["tls.lua"].replace("44330", str(port))
        done = emu.run(emu.lua(script))
    finally:
        server.kill()
        server.wait()
    assert done.code == 0
    assert done.texts("reversed") == ["true olleh\n"]


@pytest.mark.parametrize("readme", READMES)
def test_every_option_and_exit_code_of_the_help_is_in_the_readme(emu, readme):
    text = (ROOT / readme).read_text()
    help_text = subprocess.run([emu.binary, "--help"], capture_output=True, text=True,
                               check=True).stdout
    for option in re.findall(r"--[a-z][a-z0-9-]+", help_text):
        assert option in text, f"{readme} lacks {option}"
    codes = re.search(r"Exit codes:\n(.*?)\n  os.exit", help_text, re.S).group(1)
    for code in re.findall(r"^  (\d+)", codes, re.M):
        assert re.search(rf"^\| .*\b{code}\b", text, re.M), f"{readme} lacks exit code {code}"


def test_the_two_readmes_have_the_same_tables_and_scripts():
    """Rows of tables, fenced blocks and headings: as many, in the same order."""
    def shape(name):
        lines = (ROOT / name).read_text().splitlines()
        return [line[:2] for line in lines if line.startswith(("|", "```", "#"))]

    assert shape(READMES[0]) == shape(READMES[1])


@pytest.mark.parametrize("readme", READMES)
def test_every_quirk_of_the_w5500_is_in_its_table(emu, readme):
    """What --quirk lists when it knows no such name."""
    done = subprocess.run([emu.binary, "--quirk", "nosuch", "hi.lua"], capture_output=True, text=True)
    known = done.stderr.strip().split("; there are ")[1].split(", ")
    table = re.search(r"^\| `--quirk` \| \|\n\|---[^\n]*\n((?:\|[^\n]*\n)+)", (ROOT / readme).read_text(), re.M)
    assert re.findall(r"^\| `(\w+)` \|", table.group(1), re.M) == known


# ---- module by module ---------------------------------------------------------------------------

KINDS = {"whole": "完整", "partly": "部分", "stand-in": "替身", "absent": "没有"}


def modules(name):
    """{library: (kind, text)} of the table."""
    text = (ROOT / name).read_text()
    kinds = {word: kind for kind, chinese in KINDS.items() for word in (kind, chinese)}
    table = re.search(r"^## (?:Module by module|逐个模块)$.*?^\|---[^\n]*\n((?:\|[^\n]*\n)+)", text, re.M | re.S)
    found = {}
    for row in table.group(1).splitlines():
        names, kind, rest = (cell.strip() for cell in row[1:-1].split("|", 2))
        for library in re.findall(r"`(\w+)`", names):
            assert library not in found, f"{library} is in the table twice"
            found[library] = kinds[kind], rest
    return found


LIST_GLOBALS = """
for name, value in pairs(_G) do
    if type(value) == "table" and name ~= "_G" then log.info("is_table", name) end
end
for _, name in ipairs{%s} do
    log.info(name, type(_G[name]), pcall(require, name))
end
os.exit(0)
"""


@pytest.mark.parametrize("readme", READMES)
def test_every_library_of_a_run_is_in_the_module_table(emu, readme):
    """And what the table says is here is a global or can be required; what it says is absent is not."""
    table = modules(readme)
    names = ", ".join(f'"{name}"' for name in table)
    done = emu.run(LIST_GLOBALS % names)
    assert done.code == 0, done
    missing = sorted(set(done.texts("is_table")) - {n for n, (kind, _) in table.items() if kind != "absent"})
    assert not missing, f"{readme}, Module by module, lacks {missing}"
    for name, (kind, _) in table.items():
        is_here = not done.texts(name)[0].startswith("nil false")
        assert is_here == (kind != "absent"), f"{readme} says that {name} is {kind}"


@pytest.mark.parametrize("readme", READMES)
def test_what_the_module_table_says_is_missing_is(emu, readme):
    """Each `library.function` behind "without" in a row."""
    functions = {f for kind, text in modules(readme).values() if kind != "absent"
                 for f in re.findall(r"`(\w+\.\w+)`", re.split("without |没有 ", text + "without ")[1])}
    assert functions
    done = emu.run("".join(f'log.info("{f}", {f})\n' for f in functions) + "os.exit(0)\n")
    assert {f: done.texts(f) for f in functions} == {f: ["nil"] for f in functions}


def test_both_module_tables_say_the_same():
    assert ({n: kind for n, (kind, _) in modules(READMES[0]).items()}
            == {n: kind for n, (kind, _) in modules(READMES[1]).items()})


def test_a_script_that_ends_on_an_absent_library_is_told(emu):
    """Lua's plain error, as on a module, and one line more."""
    absent = [name for name, (kind, _) in modules(READMES[0]).items() if kind == "absent"]
    scripts = {name: f"{name}.create()\n" for name in absent}
    scripts["httpplus"] = 'require "httpplus"\n'
    runs = {name: emu.start(emu.lua(script, f"uses_{name}.lua")) for name, script in scripts.items()}
    for name, run in runs.items():
        done = run.finish()
        assert done.code == 1
        assert f"luatos-emu: {name}: absent here, see README.md" in done.stderr


def test_other_errors_have_no_such_hint(emu):
    done = emu.run("nothing_of_ours.create()\n")
    assert done.code == 1
    assert "absent here" not in done.stderr
