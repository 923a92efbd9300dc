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
    return {re.match(r"-- (\w+\.lua)", block).group(1): block for block in found}


@pytest.mark.parametrize("readme", READMES)
def test_the_ten_line_script_prints_its_echo(emu, readme):
    done = emu.run(emu.lua(blocks(readme, "lua")["hello.lua"]), "--lab")
    assert done.code == 0
    assert done.texts("echo") == ["true hello"]


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
