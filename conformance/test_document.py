"""The document's examples, word for word, against real peers: cases/document/FUNCTION.lua.

A case has the example's text between the lines "-- example" and "-- end of example"; the line breaks
that the document has lost are put back, nothing else is changed. --lab is netlab.luatos.com.
"""

import json
import re

import pytest

import requirements
from harness import CASES
from ntp_peer import UNIX_EPOCH_S, NtpServer

DOCUMENT = requirements.DOCUMENT.read_text()
TASK = CASES.parent / "task.lua"
ALL_OFF = [option for name in requirements.ADAPTERS for option in ("--bind", f"{name}=off")]
NOON_2024 = UNIX_EPOCH_S + 1709294400  # 2024-03-01 12:00:00 UTC


def examples():
    """{function: the code that the document shows of it}"""
    parts = re.split(r"^## socket\.(\w+)\(", DOCUMENT, flags=re.M)[1:]
    found = {name: re.search(r"```lua\n(.*?)\n```", text, re.S)
             for name, text in zip(parts[::2], parts[1::2])}
    return {name: match[1] for name, match in found.items() if match}


def words(text):
    return " ".join(text.split())


class Example:
    """Runs of a case, with its words changed or as they are."""

    def __init__(self, emu):
        self.emu = emu

    def start(self, case, *args, change=(), **options):
        text = (CASES / f"{case}.lua").read_text()
        for old, new in change:
            assert old in text
            text = text.replace(old, new, 1)
        return self.emu.start(text, *args, files={"task.lua": TASK.read_text()}, **options)

    def run(self, case, *args, **options):
        done = self.start(case, *args, **options).finish()
        assert done.code == 0, done
        return done


@pytest.fixture
def example(emu):
    return Example(emu)


@pytest.fixture
def network(netns):
    """A namespace whose resolv.conf names 127.0.0.1."""
    netns.resolv_conf("nameserver 127.0.0.1\n")
    return netns


@pytest.fixture
def ntp(peers):
    """A server where it is noon always."""
    server = NtpServer(peers.udp(), NOON_2024)
    yield server
    server.close()


@pytest.mark.parametrize("function", examples())
def test_a_case_is_the_documents_example(function):
    """But for white space, which the document has lost."""
    text = (CASES / f"document/{function}.lua").read_text()
    shown = re.findall(r"^ *-- example\n(.*?)^ *-- end of example\n", text, re.S | re.M)
    assert words(" ".join(shown)) == words(examples()[function])


def test_every_function_has_an_example_or_none_in_the_document():
    """create and close have none."""
    functions = re.findall(r"^## socket\.(\w+)\(", DOCUMENT, re.M)
    assert set(functions) - set(examples()) == {"create", "close"}


# ---- time ---------------------------------------------------------------------------------------


def names(**addresses):
    """A name server: these names, with _ for a dot, and no others."""
    known = {name.replace("_", "."): address for name, address in addresses.items()}
    return lambda query: [query.reply(known[query.name]) if query.name in known
                          else query.reply(rcode=3)]


CUSTOM = '--socket.sntp("ntp.aliyun.com")'
SEVERAL = '--socket.sntp({"ntp.aliyun.com","ntp1.aliyun.com","ntp2.aliyun.com"})'
ADAPTER = "--socket.sntp(nil, socket.ETH0)"


def instead(line):
    """The example with this line's comment made code, in the place of its first call."""
    return [("socket.sntp()\n", ""), (line, line[2:])]


@pytest.mark.requirement("SOCK-SNTP-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-011", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-012", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-013", revision=1, kind="positive")
@pytest.mark.parametrize("change, asked", [
    ([], ["ntp.aliyun.com"]),
    (instead(CUSTOM), ["ntp.aliyun.com"]),
    (instead(SEVERAL), ["ntp.aliyun.com", "ntp1.aliyun.com", "ntp2.aliyun.com"]),
    (instead(ADAPTER), ["ntp.aliyun.com"]),
], ids=["built-in", "custom", "several", "adapter"])
def test_sntp_sets_the_time(example, network, change, asked):
    """The last server that is asked answers; os.date is UTC+8."""
    dns = network.peers.dns(names(**{asked[-1].replace(".", "_"): "127.0.0.1"}))
    server = NtpServer(network.peers.udp(port=123), NOON_2024)
    with example.start("document/sntp", change=change, netns=network) as run:
        run.wait_log("sntp", "time Fri Mar  1 20:00:00 2024")
    server.close()
    assert [query.removeprefix("A ") for query in dns.queries] == asked
    assert run.texts("socket") == []


@pytest.mark.requirement("SOCK-SNTP-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SNTP-012", revision=1, kind="positive")
def test_sntp_asks_through_the_adapter_that_is_named(example, network):
    """The adapter's own name server is the only one that there is."""
    dns = network.peers.dns(names(ntp_aliyun_com="127.0.0.1"), "127.0.0.9")
    network.resolv_conf("")
    server = NtpServer(network.peers.udp(port=123), NOON_2024)
    change = instead(ADAPTER) + [("-- example\n", '-- example\nsocket.setDNS(socket.ETH0, 1, "127.0.0.9")\n')]
    with example.start("document/sntp", change=change, netns=network) as run:
        run.wait_log("sntp", "time Fri Mar  1 20:00:00 2024")
    server.close()
    assert dns.queries == ["A ntp.aliyun.com"]


@pytest.mark.requirement("SOCK-SNTP-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-002", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-009", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-010", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-011", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-013", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-014", revision=1, kind="positive")
@pytest.mark.parametrize("change, asked", [
    ([], ["ntp.aliyun.com", "ntp.ntsc.ac.cn", "time1.cloud.tencent.com"]),
    (instead(CUSTOM), ["ntp.aliyun.com", "ntp.ntsc.ac.cn", "time1.cloud.tencent.com"]),
    (instead(SEVERAL), ["ntp.aliyun.com", "ntp1.aliyun.com", "ntp2.aliyun.com"]),
], ids=["built-in", "custom", "several"])
def test_sntp_tells_of_failure_and_can_be_called_again(example, network, change, asked):
    """No name is known at first; the second call finds the first server."""
    answers = names(ntp_aliyun_com="127.0.0.1")
    refuse = names()
    dns = network.peers.dns(lambda query: (refuse if len(dns.queries) <= 3 else answers)(query))
    server = NtpServer(network.peers.udp(port=123), NOON_2024)
    with example.start("document/sntp", change=change, netns=network) as run:
        run.wait_log("sntp", "time Fri Mar  1 20:00:00 2024")
    server.close()
    assert run.texts("socket") == ["sntp error"]
    assert [query.removeprefix("A ") for query in dns.queries] == asked + ["ntp.aliyun.com"]


@pytest.mark.requirement("SOCK-SNTP-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-012", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SNTP-014", revision=1, kind="negative")
def test_sntp_on_an_adapter_that_is_off_is_an_error(example):
    """And it stays one, however often it is tried."""
    change = instead(ADAPTER) + [("    socket.sntp()\n", "    socket.sntp(nil, socket.ETH0)\n")]
    with example.start("document/sntp", "--bind", "ETH0=off", change=change) as run:
        run.wait_log("socket", "sntp error", count=3)
    assert run.texts("sntp") == []


def ntptm_of(done):
    """The table of the example's first line, the text of its second."""
    return json.loads(done.texts("tm数据")[0]), done.texts("时间戳")[0]


@pytest.mark.requirement("SOCK-NTPTM-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-011", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-013", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-014", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-015", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-016", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-017", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-NTPTM-018", revision=1, kind="positive")
@pytest.mark.parametrize("times", [1, 2])
def test_ntptm_is_the_time_in_milliseconds(example, ntp, times):
    """The local counters and the offsets make up the time, whatever passed meanwhile."""
    done = example.run("document/ntptm", env={"PORT": ntp.port, "TIMES": times})
    tm, text = ntptm_of(done)
    assert set(tm) == {"tsec", "tms", "vaild", "ndelay", "ssec", "sms", "lsec", "lms"}
    assert tm["vaild"] is True
    assert {type(value) for key, value in tm.items() if key != "vaild"} == {int}
    now_ms = tm["tsec"] * 1000 + tm["tms"]
    assert (tm["ssec"] + tm["lsec"]) * 1000 + tm["sms"] + tm["lms"] == now_ms
    assert NOON_2024 * 1000 <= now_ms < (NOON_2024 + 60) * 1000
    assert text == f"{tm['tsec']}.{tm['tms']:03}"
    assert len(ntp.requests) == times


@pytest.mark.requirement("SOCK-NTPTM-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-007", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-009", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-010", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-011", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-012", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-013", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-014", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-017", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-018", revision=1, kind="negative")
def test_ntptm_before_any_synchronisation_is_not_valid(example):
    """There is no vaild; the time is the uptime."""
    done = example.run("document/ntptm", env={"PORT": 123, "TIMES": 0})
    tm, text = ntptm_of(done)
    assert "vaild" not in tm
    assert (tm["ssec"], tm["sms"], tm["ndelay"]) == (0, 0, 0)
    assert (tm["tsec"], tm["tms"]) == (tm["lsec"], tm["lms"])
    assert tm["tsec"] < 60
    assert text == f"{tm['tsec']}.{tm['tms']:03}"


# ---- adapters -----------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-LOCALIP-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-009", revision=1, kind="positive")
def test_local_ip_is_what_the_document_shows(example, netns):
    """And nil, for there is no IPv6 address."""
    netns.link("wan", "62.39.244.10/32")
    netns.run("ip", "route", "add", "default", "dev", "wan")
    with example.start("document/localIP", netns=netns) as run:
        run.wait_log("socket", "ip 62.39.244.10 255.255.255.255 0.0.0.0 nil")


@pytest.mark.requirement("SOCK-LOCALIP-009", revision=1, kind="positive")
def test_local_ip_is_logged_every_3_seconds(example):
    """In virtual time there is no network but the loopback."""
    done = example.run("document/localIP", "--time", "virtual")
    assert done.texts("socket") == ["ip 127.0.0.1 255.0.0.0 0.0.0.0 nil"] * 3


@pytest.mark.requirement("SOCK-LOCALIP-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LOCALIP-009", revision=1, kind="negative")
def test_local_ip_without_an_adapter_is_nothing(example):
    """Only the tag and the text are logged."""
    done = example.run("document/localIP", "--time", "virtual", *ALL_OFF)
    assert done.texts("socket") == ["ip"] * 3


@pytest.mark.requirement("SOCK-ADAPTER-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ADAPTER-009", revision=1, kind="positive")
def test_adapter_finds_one_that_is_ready_and_looks_at_eth0(example):
    """All adapters of the board are."""
    done = example.run("document/adapter")
    assert done.texts("any") == ["true 1"]
    assert done.texts("ETH0") == ["true 5"]


@pytest.mark.requirement("SOCK-ADAPTER-008", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ADAPTER-009", revision=1, kind="negative")
def test_adapter_says_that_none_is_ready(example):
    """The last that was looked at is 18, or the one that was asked for."""
    done = example.run("document/adapter", *ALL_OFF)
    assert done.texts("any") == ["false 18"]
    assert done.texts("ETH0") == ["false 5"]


@pytest.mark.requirement("SOCK-SETDNS-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SETDNS-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SETDNS-008", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SETDNS-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SETDNS-009", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SETDNS-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SETDNS-010", revision=1, kind="negative")
@pytest.mark.parametrize("args, set_, asked", [
    ([], ["true", "true"], 2),
    (["--bind", "ETH0=off"], ["true", "false"], 1),
    (ALL_OFF, ["false", "false"], 0),
], ids=["both", "no ETH0", "neither"])
def test_set_dns_sets_who_is_asked(example, netns, args, set_, asked):
    """The address is inside of the namespace, as is who answers there."""
    netns.run("ip", "addr", "add", "114.114.114.114/32", "dev", "lo")
    dns = netns.peers.dns(names(a_test="192.0.2.7"), "114.114.114.114")
    done = example.run("document/setDNS", *args, netns=netns)
    assert done.texts("setDNS") == set_
    assert done.texts("remote") == ["192.0.2.7 nil nil nil"] * asked
    assert dns.queries == ["A a.test"] * asked


# ---- configuration ------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-DEBUG-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DEBUG-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DEBUG-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DEBUG-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-DEBUG-006", revision=1, kind="positive")
def test_debug_logs_what_the_control_does(example):
    """Nothing before it is switched on."""
    done = example.run("document/debug")
    tags = [tag for _, tag, _ in done.log]
    on = tags.index("user.mark")
    assert "net" not in tags[:on] and "net" in tags[on:]


@pytest.mark.requirement("SOCK-DEBUG-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-DEBUG-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-DEBUG-006", revision=1, kind="negative")
@pytest.mark.parametrize("value", ["1", '"true"', "nil", "false"])
def test_debug_is_switched_on_by_true_only(example, value):
    done = example.run("document/debug", change=[("debug(ctrl, true)", f"debug(ctrl, {value})")])
    assert done.firmware("net") == []


@pytest.mark.requirement("SOCK-CONFIG-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-011", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-019", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-022", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-023", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-027", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONFIG-028", revision=1, kind="positive")
def test_config_makes_it_plain_tcp_then_tls(example, tcp_server, tls):
    """A self-signed certificate is good enough: nobody looks at it."""
    secure = tls.server("self-signed")
    with example.start("document/config", env={"PORT": tcp_server.port, "TLS_PORT": secure.port}) as run:
        assert tcp_server.accept().recv_exactly(5) == b"plain"
        done = run.finish()
    assert done.texts("connect") == ["true false"] * 2
    assert done.texts("event") == ["ON_LINE 0", "TX_OK 0", "ON_LINE 0"]
    assert done.texts("state") == ["5 在线"]
    assert len(done.events("tls.done")) == 1


@pytest.mark.requirement("SOCK-CONFIG-027", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONFIG-028", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-012", revision=1, kind="positive")
def test_config_for_tls_and_a_server_that_speaks_none(example, peers):
    """The first server is not there, the second one is no TLS server."""
    plain = peers.tcp_server()
    env = {"PORT": peers.free_port(), "TLS_PORT": plain.port}
    with example.start("document/config", env=env) as run:
        peer = plain.accept()
        peer.send(b"220 mail.test ESMTP\r\n")
        done = run.finish()
    assert done.texts("event") == ["ON_LINE -1"] * 2
    assert done.texts("state") == ["4 正在TLS握手"]


def lines_between(done, first, second):
    """What was logged under the tag ssl between two marks."""
    marks = [i for i, line in enumerate(done.log) if line[1:] in (("user.mark", first), ("user.mark", second))]
    return [text for _, tag, text in done.log[marks[0]:marks[1]] if tag == "ssl"]


@pytest.mark.requirement("SOCK-SSLLOG-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SSLLOG-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SSLLOG-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SSLLOG-008", revision=1, kind="negative")
def test_ssl_log_prints_what_tls_does(example, tls):
    done = example.run("document/sslLog", env={"PORT": tls.server("server").port})
    assert lines_between(done, "before", "after") == []
    assert any("read server hello" in line for line in lines_between(done, "after", "end"))


@pytest.mark.requirement("SOCK-SSLLOG-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SSLLOG-004", revision=1, kind="positive")
def test_ssl_log_0_prints_nothing(example, tls):
    done = example.run("document/sslLog", env={"PORT": tls.server("server").port},
                       change=[("socket.sslLog(2)", "socket.sslLog(0)")])
    assert lines_between(done, "after", "end") == []


# ---- clients ------------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-LINKUP-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LINKUP-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LINKUP-007", revision=1, kind="positive")
def test_linkup_says_that_there_is_a_network(example):
    assert example.run("document/linkup").texts("example") == ["true true"]


@pytest.mark.requirement("SOCK-LINKUP-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LINKUP-007", revision=1, kind="negative")
def test_linkup_of_a_released_control_is_nothing(example):
    done = example.run("document/linkup", env={"RELEASED": 1})
    assert done.texts("example") == ["nil nil"]


@pytest.mark.requirement("SOCK-CONNECT-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONNECT-015", revision=1, kind="positive")
def test_connect_reaches_the_server_of_that_name(example):
    """ON_LINE 0, and the server echoes."""
    done = example.run("document/connect", "--lab")
    assert done.texts("example") == ["true false"]
    assert done.texts("event")[0] == "ON_LINE 0"
    assert done.texts("echo") == ["hello"]


@pytest.mark.requirement("SOCK-CONNECT-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-014", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONNECT-015", revision=1, kind="negative")
def test_connect_to_a_name_that_is_unknown(example, network):
    """The call succeeds all the same; the event tells."""
    network.peers.dns(names())
    done = example.run("document/connect", netns=network)
    assert done.texts("example") == ["true false"]
    assert done.texts("event") == ["ON_LINE -1"]
    assert done.texts("echo") == []


@pytest.mark.requirement("SOCK-CONST-012", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DISCON-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DISCON-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-DISCON-007", revision=1, kind="positive")
def test_discon_is_followed_by_closed(example):
    done = example.run("document/discon", "--lab")
    assert done.texts("example") == ["true false"]
    assert done.texts("event") == ["ON_LINE 0", "CLOSED 0"]
    assert done.texts("state") == ["1 离线"]


@pytest.mark.requirement("SOCK-CONST-012", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-DISCON-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-DISCON-007", revision=1, kind="negative")
def test_a_second_discon_is_done_at_once_and_silent(example):
    done = example.run("document/discon", "--lab", env={"TWICE": 1})
    assert done.texts("example") == ["true true"]
    assert done.texts("event") == ["ON_LINE 0"]
    assert done.texts("state") == ["1 离线"]


@pytest.mark.requirement("SOCK-TX-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-011", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-TX-023", revision=1, kind="positive")
def test_tx_sends_over_tcp_whatever_the_address(example):
    done = example.run("document/tx", "--lab")
    assert done.texts("example") == ["true false false"]
    assert done.texts("echo") == ["123456"]


@pytest.mark.requirement("SOCK-TX-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-011", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-TX-023", revision=1, kind="negative")
def test_tx_over_udp_to_what_is_no_address_fails(example):
    done = example.run("document/tx", "--lab", env={"MODE": "udp"})
    assert done.texts("example") == ["false true false"]
    assert '"xxx.xxx.xxx.xxx" is no address' in done.warnings[0]


@pytest.mark.requirement("SOCK-RX-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-012", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-013", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-014", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-017", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-018", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-019", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-027", revision=1, kind="positive")
def test_rx_over_tcp_takes_all_and_grows_the_buffer(example):
    """Address and port have no meaning there; nothing is left for the other two calls."""
    done = example.run("document/rx", "--lab")
    count = 5 + 2400 + 6
    assert done.texts("first") == [f"true {count} nil nil"]
    assert done.texts("buff") == [f"{count} {count}"]
    assert done.texts("second") == ["true 0 nil nil"]
    assert done.texts("third") == ["true 0"]
    assert done.texts("待收取数据长度") == ["0"]


@pytest.mark.requirement("SOCK-RX-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-013", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-014", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-015", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-017", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-018", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-019", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-023", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-023", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-026", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RX-027", revision=1, kind="positive")
def test_rx_over_udp_takes_a_packet_at_a_time(example):
    """With its sender; 1500 in the third place is a flag without effect."""
    done = example.run("document/rx", "--lab", env={"MODE": "udp"})
    address = done.events("lab.open")[0]["address"]
    peer = f"00{bytes(map(int, address.split('.'))).hex()} 40123"
    assert [text.lower() for text in done.texts("first")] == [f"true 5 {peer}"]
    assert done.texts("buff") == ["5 2048"]
    assert [text.lower() for text in done.texts("second")] == [f"true 2400 {peer}"]
    assert done.texts("third") == ["true 6"]
    assert done.texts("待收取数据长度") == ["6"]
    assert "the limit is the fourth" in done.warnings[-1]


@pytest.mark.requirement("SOCK-RX-009", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-012", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-019", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RX-027", revision=1, kind="negative")
@pytest.mark.parametrize("mode", ["tcp", "udp"])
def test_rx_of_a_closed_control_fails(example, mode):
    """(false, 0), and the buffer stays as it is."""
    done = example.run("document/rx", "--lab", env={"MODE": mode, "CLOSED": 1})
    assert done.texts("first") == done.texts("second") == ["false 0 nil nil"]
    assert done.texts("buff") == ["0 2048"]
    assert done.texts("third") == ["false 0"]
    assert done.texts("待收取数据长度") == []


@pytest.mark.requirement("SOCK-READ-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-012", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-READ-014", revision=1, kind="positive")
@pytest.mark.parametrize("size, got, left", [(5, 5, 0), (1500, 1500, 0), (2000, 1500, 500)])
def test_read_takes_1500_bytes_at_the_most(example, size, got, left):
    done = example.run("document/read", "--lab", env={"SIZE": size})
    assert done.texts("读取到的数据") == ["x" * got]
    assert done.texts("example") == [f"true {got}"]
    assert done.texts("left") == [f"true {left}"]


@pytest.mark.requirement("SOCK-READ-007", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-READ-014", revision=1, kind="negative")
def test_read_of_a_closed_control_fails(example):
    """There is no data then."""
    done = example.run("document/read", "--lab", env={"SIZE": 5, "CLOSED": 1})
    assert done.texts("读取到的数据") == []
    assert done.texts("example") == ["false nil"]


@pytest.mark.requirement("SOCK-WAIT-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-WAIT-007", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-WAIT-009", revision=1, kind="positive")
@pytest.mark.parametrize("mode, result", [("data", "true true"), ("nothing", "true false")])
def test_wait_says_whether_there_is_data(example, mode, result):
    assert example.run("document/wait", "--lab", env={"MODE": mode}).texts("example") == [result]


@pytest.mark.requirement("SOCK-WAIT-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-WAIT-009", revision=1, kind="negative")
def test_wait_on_a_closed_control_fails(example):
    done = example.run("document/wait", "--lab", env={"MODE": "closed"})
    assert done.texts("example") == ["false false"]


@pytest.mark.requirement("SOCK-STATE-007", revision=1, kind="positive")
def test_state_is_a_number_and_a_name(example):
    assert example.run("document/state", "--lab").texts("state") == ["5 在线"]


@pytest.mark.requirement("SOCK-STATE-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-STATE-007", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-016", revision=1, kind="negative")
def test_state_of_a_released_control_is_nil(example):
    done = example.run("document/state", "--lab", env={"RELEASED": 1})
    assert done.texts("state") == ["nil nil"]


@pytest.mark.requirement("SOCK-RELEASE-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RELEASE-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-RELEASE-005", revision=1, kind="positive")
def test_release_is_the_end_of_the_control(example):
    done = example.run("document/release", "--lab")
    assert done.texts("state") == done.texts("tx") == ["nothing"]
    assert len(done.events("netc.free")) == 1


@pytest.mark.requirement("SOCK-RELEASE-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-RELEASE-005", revision=1, kind="negative")
def test_release_may_be_repeated(example):
    done = example.run("document/release", "--lab", env={"RELEASED": 1})
    assert done.texts("state") == done.texts("tx") == ["nothing"]
    assert len(done.events("netc.free")) == 1


@pytest.mark.requirement("SOCK-REMOTEIP-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-REMOTEIP-010", revision=1, kind="positive")
def test_remote_ip_is_what_the_name_stands_for(example):
    """One address; the other three are nil."""
    done = example.run("document/remoteIP", "--lab")
    address = done.events("lab.open")[0]["address"]
    assert done.texts("example") == [f"{address} nil nil nil"]
    assert done.texts("state") == ["5 在线"]


@pytest.mark.requirement("SOCK-REMOTEIP-009", revision=1, kind="positive")
def test_remote_ip_with_port_0_is_there_when_dns_is_done(example):
    """ON_LINE 0, and nothing is connected."""
    done = example.run("document/remoteIP", "--lab", env={"REMOTE_PORT": 0})
    address = done.events("lab.open")[0]["address"]
    assert done.texts("event") == ["ON_LINE 0"]
    assert done.texts("example") == [f"{address} nil nil nil"]
    assert done.texts("state") == ["1 离线"]
    assert done.events("lab.accept") == []


@pytest.mark.requirement("SOCK-REMOTEIP-007", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-REMOTEIP-010", revision=1, kind="negative")
def test_remote_ip_is_not_there_at_once(example):
    """Without having waited for ON_LINE."""
    done = example.run("document/remoteIP", "--lab", env={"EARLY": 1})
    assert done.texts("example") == ["nil nil nil nil"]
    assert done.texts("state") == ["2 等待DNS"]


# ---- servers ------------------------------------------------------------------------------------


@pytest.mark.requirement("SOCK-LISTEN-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LISTEN-008", revision=1, kind="positive")
def test_listen_waits_for_a_client(example, peers):
    port = peers.listen_port()
    with example.start("document/listen", env={"PORT": port}) as run:
        run.wait_trace("netc.state", to="LISTEN")
        peers.tcp_client(port)
        done = run.finish()
    assert done.texts("example") == ["true false"]
    assert done.texts("event") == ["ON_LINE 0"]
    assert done.texts("state") == ["5 在线"]


@pytest.mark.requirement("SOCK-LISTEN-008", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-STATE-014", revision=1, kind="negative")
def test_listen_in_udp_mode_fails(example, peers):
    done = example.run("document/listen", env={"PORT": peers.listen_port(), "UDP": 1})
    assert done.texts("example") == ["false false"]


@pytest.mark.requirement("SOCK-ACCEPT-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ACCEPT-012", revision=1, kind="positive")
def test_accept_gives_the_client_a_control_of_its_own(example, peers):
    """What the document prints is listen: the callback in the second place says nothing there."""
    port = peers.listen_port()
    with example.start("document/accept", env={"PORT": port}) as run:
        run.wait_trace("netc.state", to="LISTEN")
        client = peers.tcp_client(port)
        client.send(b"hello")
        assert client.recv_exactly(5) == b"hello"
        done = run.finish()
    assert done.texts("example") == ["true false"]
    assert done.texts("accept") == ["true userdata"]


@pytest.mark.requirement("SOCK-ACCEPT-012", revision=1, kind="negative")
def test_accept_without_a_client_fails(example, peers):
    done = example.run("document/accept", env={"PORT": peers.listen_port(), "NOBODY": 1})
    assert done.texts("accept") == ["false nil"]
