"""The golden captures of the W5500's wire, fixtures/pcap/w5500-*.pcapng, as tshark reads them.

adapters/w5500/golden_test.c compares a fresh run with each of them byte by byte; here they are held
to what the chip's datasheet says, so that the wrong thing is not golden. SIPR 192.0.2.2, its peer
192.0.2.9.
"""

import pathlib

import pytest

from pcap import Capture, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "pcap"
NAMES = ["arp-timeout", "dhcp", "igmp", "tcp-data-timeout", "tcp-echo", "tcp-refused", "tcp-server",
         "tcp-syn-timeout", "udp-unreachable"]
CHIP = "eth.src == 02:00:00:00:00:02"
OUT, IN = "0x00000002", "0x00000001"

# datasheet 4.2, RTR and RCR: 200 ms, and twice as long each time, as long as it fits 16 bits
TCP_WAITS = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 6.4, 6.4]


def golden(name):
    return Capture(FOLDER / f"w5500-{name}.pcapng")


def flags_of(capture):
    """[(who, flags, length of the data), ...] of the TCP segments."""
    rows = capture.rows("tcp", "frame.packet_flags_direction", "tcp.flags.str", "tcp.len")
    return [("chip" if direction == OUT else "peer", flags.strip("·"), int(length))
            for direction, flags, length in rows]


def waits_of(rows):
    times = [float(row[0]) for row in rows]
    return [round(b - a, 6) for a, b in zip(times, times[1:])]


def test_every_golden_capture_is_named():
    assert sorted(path.name for path in FOLDER.glob("w5500-*")) == [
        f"w5500-{name}.pcapng" for name in NAMES]


WRONG = [
    "frame.len < 60",
    "ip && !(ip.checksum.status == Good)",
    "tcp && !(tcp.checksum.status == Good)",
    "udp && !icmp && !(udp.checksum.status == Good)",
    "igmp && !(ip.ttl == 1)",
    "(tcp || udp) && !icmp && !(ip.ttl == 128)",
    "tcp.option_kind && !(tcp.option_kind == 2)",
]


@pytest.mark.parametrize("name", NAMES)
def test_what_the_chip_sends_is_sound(name):
    """Padded to 60 bytes, checksums right, TTL 128 but for IGMP, no option of TCP but MSS."""
    capture = golden(name)
    wrong = " || ".join(f"({CHIP} && {what})" for what in WRONG)
    assert capture.rows(f"_ws.malformed || {wrong}", "frame.number") == []


def test_an_arp_timeout_is_rcr_plus_1_requests_rtr_apart():
    capture = golden("arp-timeout")
    rows = capture.rows("arp", "frame.time_relative", "arp.opcode", "arp.dst.proto_ipv4",
                        "arp.src.proto_ipv4", "eth.dst")
    assert [row[1:] for row in rows] == [
        ["1", "192.0.2.9", "192.0.2.2", "ff:ff:ff:ff:ff:ff"]] * 9
    assert waits_of(rows) == [0.2] * 8
    assert capture.count() == 9


@pytest.mark.parametrize("name, what", [("tcp-syn-timeout", "tcp.flags.syn == 1"),
                                        ("tcp-data-timeout", "tcp.len == 17")])
def test_what_is_not_answered_is_sent_again_at_its_times(name, what):
    """Nine times in all, the same each time; when it gives up nothing is said, not even a reset."""
    capture = golden(name)
    rows = capture.rows(f"{CHIP} && {what}", "frame.time_relative", "tcp.seq_raw", "tcp.flags",
                        "tcp.len")
    assert waits_of(rows) == TCP_WAITS
    assert len({tuple(row[1:]) for row in rows}) == 1
    assert capture.count("tcp.flags.reset == 1") == 0


def test_a_client_connects_is_echoed_and_closes():
    capture = golden("tcp-echo")
    assert flags_of(capture) == [
        ("chip", "S", 0), ("peer", "A··S", 0), ("chip", "A", 0),
        ("chip", "AP", 5), ("peer", "AP", 5), ("chip", "A", 0),
        ("chip", "A···F", 0), ("peer", "A···F", 0), ("chip", "A", 0)]
    assert capture.stream("out") == capture.stream("in") == b"hello"
    # the window is what is free of the 2 KB; an acknowledgement waits for RTR
    assert capture.rows(CHIP + " && tcp", "tcp.window_size_value") == [
        ["2048"], ["2048"], ["2048"], ["2043"], ["2048"], ["2048"]]
    sent, acked = (float(row[0]) for row in capture.rows(
        "frame.number in {7, 8}", "frame.time_relative"))
    assert round(acked - sent, 6) == 0.2
    assert capture.rows("tcp.flags.syn == 1 && " + CHIP, "tcp.options.mss_val") == [["1460"]]


def test_a_server_is_called_answers_and_is_closed():
    capture = golden("tcp-server")
    assert capture.rows("arp.opcode == 2", "frame.packet_flags_direction", "arp.src.proto_ipv4",
                        "arp.src.hw_mac") == [[OUT, "192.0.2.2", "02:00:00:00:00:02"]]
    assert flags_of(capture) == [
        ("peer", "S", 0), ("chip", "A··S", 0), ("peer", "A", 0),
        ("peer", "AP", 4), ("chip", "AP", 4), ("peer", "A···F", 0),
        ("chip", "A", 0), ("chip", "A···F", 0), ("peer", "A", 0)]
    assert (capture.stream("in"), capture.stream("out")) == (b"ping", b"pong")


def test_a_port_without_a_listener_refuses():
    assert flags_of(golden("tcp-refused")) == [("peer", "S", 0), ("chip", "A·R", 0)]


def test_udp_for_closed_ports_is_unreachable_both_ways():
    capture = golden("udp-unreachable")
    rows = capture.rows("icmp", "frame.packet_flags_direction", "icmp.type", "icmp.code",
                        "udp.dstport")
    assert rows == [[IN, "3", "3", "7"], [OUT, "3", "3", "4000"]]
    assert capture.rows("udp && !icmp", "frame.packet_flags_direction", "udp.dstport") == [
        [OUT, "7"], [IN, "4000"]]


def test_a_group_is_joined_and_left_by_igmp_version_2():
    capture = golden("igmp")
    assert capture.rows("igmp", "igmp.type", "igmp.maddr", "ip.dst", "eth.dst") == [
        ["0x16", "239.1.2.3", "239.1.2.3", "01:00:5e:01:02:03"],
        ["0x17", "239.1.2.3", "224.0.0.2", "01:00:5e:00:00:02"]]
    assert capture.rows("udp", "ip.dst", "eth.dst") == [["239.1.2.3", "01:00:5e:01:02:03"]]


def test_an_address_is_got_by_dhcp():
    """From 0.0.0.0, by broadcast, without a question by ARP, though MR.FARP is set."""
    capture = golden("dhcp")
    assert capture.rows("dhcp", "frame.packet_flags_direction", "dhcp.option.dhcp", "ip.src",
                        "ip.dst", "udp.srcport", "udp.dstport") == [
        [OUT, "1", "0.0.0.0", "255.255.255.255", "68", "67"],
        [IN, "2", "192.0.2.9", "255.255.255.255", "67", "68"],
        [OUT, "3", "0.0.0.0", "255.255.255.255", "68", "67"],
        [IN, "5", "192.0.2.9", "255.255.255.255", "67", "68"]]
    assert capture.rows("dhcp.option.dhcp == 5", "dhcp.ip.your") == [["192.0.2.3"]]
    assert capture.count("arp") == 0
