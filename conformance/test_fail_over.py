"""The whole of it: an ordinary user watches scripts/demo/multi-network fail over from Ethernet to
Wi-Fi to 4G and back, with a capture of it. The README says how; tshark is the judge."""

import re
import shutil

import pytest

import pcap as pcap_module
from conftest import ROOT
from pcap import Capture
from test_capture_frames import assert_whole

DEMO = ROOT / "scripts/demo/multi-network"
ADAPTERS = {"Ethernet": "LWIP_ETH", "Wi-Fi": "LWIP_STA", "4G": "LWIP_GP"}

# What goes by which network, and the cable that is then pulled or plugged in.
STORY = [("Ethernet", "LWIP_ETH down"), ("Wi-Fi", "LWIP_STA down"), ("4G", "LWIP_STA up"),
         ("Wi-Fi", "LWIP_ETH up"), ("Ethernet", None)]
TOLD = ["IP_LOSE LWIP_ETH", "IP_LOSE LWIP_STA", "IP_READY 192.168.77.11 LWIP_STA",
        "IP_READY 192.168.77.13 LWIP_ETH"]


def play(emu, path, ctl):
    """Run the demo, and pull a cable whenever two heartbeats have come back by the network that the
    story has now."""
    with emu.start(emu.directory / "multi-network", "--net", "own", "--lab", "--ctl", ctl, "--capture",
                   path) as run:
        for name, cable in STORY:
            before = len(run.texts("beat"))
            run.wait(lambda name=name, before=before: len(
                [text for text in run.texts("beat")[before:] if f"by {name} answered" in text]) >= 2,
                f"heartbeats by {name}")
            if cable:
                emu.ctl(ctl, "link", *cable.split())
        return run.stop()


def heartbeats(capture, direction):
    """{number: adapters that it was seen on}, with the number of each one's frame."""
    seen = {}
    for frame, adapter, payload in capture.rows(
            f"tcp.len > 0 && frame.packet_flags_direction == {direction}", "frame.number",
            "frame.interface_name", "tcp.payload"):
        number = re.fullmatch(rb"heartbeat (\d+)", bytes.fromhex(payload))
        if number:
            seen.setdefault(int(number[1]), []).append((adapter, int(frame)))
    return seen


@pytest.mark.parametrize("who", ["emu", "user_emu"], ids=["as who runs the tests", "as a user"])
def test_a_capture_shows_the_demo_fail_over_and_come_back(own, who, request):
    """Each heartbeat goes out and comes back on the adapter that the script says it has used; where
    a link is lost and where it is ready again is told on the frames between."""
    obstacle = pcap_module.why_not()
    if obstacle:
        pytest.skip(obstacle)
    emu = request.getfixturevalue(who)
    shutil.copytree(DEMO, emu.directory / "multi-network")
    path = emu.directory / "fail-over.pcapng"
    done = play(emu, path, emu.directory / "ctl")
    assert [text.split()[0] for text in done.texts("network")] == [name for name, _ in STORY]

    capture = Capture(path)
    assert_whole(capture)
    out, back = heartbeats(capture, 2), heartbeats(capture, 1)
    said = [re.fullmatch(r"(\d+) by (\S+) answered", text) for text in done.texts("beat")]
    assert len(said) >= 2 * len(STORY)
    for number, adapter in ((int(match[1]), ADAPTERS[match[2]]) for match in said):
        assert {seen for seen, _ in back[number]} == {adapter}
        assert out[number][-1][0] == adapter

    events = [(frame, re.sub(r" \(.* before\)$", "", text)) for frame, text in capture.comments
              if re.match("IP_", text)]
    told = [(frame, text) for frame, text in events[-len(TOLD):]]
    assert [text for _, text in told] == TOLD
    lost, ready = told[0][0], told[-1][0]
    assert not [frame for seen in (out, back) for rows in seen.values() for adapter, frame in rows
                if adapter == "LWIP_ETH" and lost < frame < ready]
    assert capture.count("arp") > 0 and capture.count("dns") > 0
