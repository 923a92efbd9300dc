"""What is installed besides the program."""

import re
import shutil
import subprocess

import pytest

from conftest import ROOT

PROFILE = ROOT / "scripts/packaging/apparmor/luatos-emu"


def parser():
    found = shutil.which("apparmor_parser", path="/usr/sbin:/sbin:/usr/bin")
    if not found:
        pytest.skip("needs apparmor_parser")
    version = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    return found, int(re.search(r"version (\d+)", version).group(1))


def test_the_apparmor_profile_can_be_read(tmp_path):
    """By AppArmor 4, which has the rule; of an older one, all the rest."""
    program, version = parser()
    text = PROFILE.read_text()
    assert re.search(r"^  userns,$", text, re.M)
    if version < 4:
        text = re.sub(r"^  userns,$", "", text, flags=re.M).replace("<abi/4.0>", "<abi/3.0>")
    profile = tmp_path / "luatos-emu"
    profile.write_text(text)
    done = subprocess.run([program, "--skip-kernel-load", "--skip-cache", "--names", profile],
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "luatos-emu\n"), done.stderr


def test_the_profile_is_installed_where_apparmor_looks(luatos_emu, tmp_path):
    """And not with a prefix for which it is not."""
    build = re.sub(r"/[^/]*$", "", luatos_emu)
    if not shutil.which("cmake") or not shutil.os.path.exists(f"{build}/cmake_install.cmake"):
        pytest.skip("needs the build tree")
    for prefix, is_there in (("/usr", True), ("/opt/emu", False)):
        root = tmp_path / prefix.strip("/").replace("/", "-")
        subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True,
                       stdout=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin", "DESTDIR": str(root)})
        assert (root / f"{prefix[1:]}/bin/luatos-emu").exists()
        assert (root / "etc/apparmor.d/luatos-emu").exists() == is_there
