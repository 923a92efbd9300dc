"""Adapters: numbers, names, readiness, the default one, addresses and name servers."""

import pytest

LAPTOP = ["LWIP_GP", "LWIP_STA", "LWIP_AP", "LWIP_ETH", "ETH0", "USB"]
EVENTS = {"LINK": 0x02000010, "ON_LINE": 0x02000011, "TX_OK": 0x02000012, "CLOSED": 0x02000013,
          "EVENT": 0x02000014}
COMMON = {"LWIP_GP": 1, "LWIP_STA": 2, "LWIP_AP": 3, "LWIP_ETH": 4, "LWIP_GP_GW": 15,
          **{f"LWIP_USER{i}": 7 + i for i in range(8)}}
NUMBERS = {
    "doc": {**COMMON, "ETH0": 5, "USB": 6, "LWIP_USB": 6},
    "current": {**COMMON, "ETH0": 17, "USB": 16, "LWIP_USB": 16, "LWIP_SPI": 5},
}
FUNCTIONS = """accept adapter close close_all config connect create debug dft discon linkup listen
    localIP ntptm read release remoteIP rx rx_cache setDNS sntp sntp_port sslLog state tx
    wait""".split()


def without(*names):
    return [option for name in names for option in ("--bind", f"{name}=off")]


@pytest.mark.requirement("SOCK-CONST-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONST-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CONST-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONST-009", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONST-010", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONST-011", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONST-012", revision=1, kind="positive")
@pytest.mark.parametrize("profile", NUMBERS)
def test_the_library_has_these_names_and_no_others(tasks, profile):
    """The document's list of constants and functions; current: luat_lib_socket.c:1464-1542."""
    done = tasks.run('''
        for name, value in pairs(socket) do
            log.info(name, type(value) == "function" and "function" or value)
        end
    ''', "--profile", profile)
    found = {tag.removeprefix("user."): text for _, tag, text in done.log
             if tag and tag.startswith("user.") and tag != "user.task"}
    wanted = {name: str(value) for name, value in {**NUMBERS[profile], **EVENTS}.items()}
    wanted.update({name: "function" for name in FUNCTIONS})
    assert found == wanted


@pytest.mark.requirement("SOCK-CONST-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONST-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONST-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONST-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONST-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-CONST-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ADAPTER-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ADAPTER-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ADAPTER-004", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ADAPTER-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ADAPTER-005", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ADAPTER-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ADAPTER-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ADAPTER-006", revision=1, kind="negative")
@pytest.mark.parametrize("profile", NUMBERS)
def test_every_adapter_of_the_laptop_is_ready_under_its_number(tasks, profile):
    """adapter(index): (true, index); one that the board lacks: (false, index)."""
    numbers = NUMBERS[profile]
    done = tasks.run('''
        for number = 1, 18 do show("adapter", socket.adapter(number)) end
    ''', "--profile", profile)
    ready = {numbers[name] for name in LAPTOP}
    assert done.texts("adapter") == [f"{str(n in ready).lower()} {n}" for n in range(1, 19)]


@pytest.mark.requirement("SOCK-ADAPTER-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-ADAPTER-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ADAPTER-007", revision=1, kind="positive")
@pytest.mark.parametrize("index", ["", "0", "-1", "19", "1 << 40", "nil"])
def test_adapter_without_an_index_finds_the_first_ready_one(tasks, index):
    """luat_lib_socket.c:1295-1319: what is not 1..18 scans all of them."""
    done = tasks.run(f'show("adapter", socket.adapter({index}))', *without("LWIP_GP", "LWIP_STA"))
    assert done.texts("adapter") == ["true 3"]


@pytest.mark.requirement("SOCK-ADAPTER-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ADAPTER-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-ADAPTER-007", revision=1, kind="negative")
def test_adapter_says_false_and_18_when_none_is_ready(tasks):
    """The last number looked at."""
    done = tasks.run('show("adapter", socket.adapter())', *without(*LAPTOP))
    assert done.texts("adapter") == ["false 18"]


@pytest.mark.parametrize("off, default, last", [
    ([], 1, 6),
    (["LWIP_GP"], 2, 6),
    (["LWIP_GP", "LWIP_STA"], 6, 6),
    (["LWIP_GP", "LWIP_STA", "USB"], 5, 5),
    (LAPTOP, -1, -1),
])
def test_the_default_is_the_modules_own_adapter_or_the_last_one(tasks, off, default, last):
    """The document: the SoC's own way to the internet first, else the last registered."""
    done = tasks.run('show("dft", socket.dft())', *without(*off))
    assert done.texts("dft") == [f"{default} {last}"]


def test_dft_sets_the_default(tasks):
    """Numbers only, 8 bits of them, below 19; what is set need not be registered."""
    done = tasks.run('''
        show("dft", socket.dft(4))
        show("dft", socket.dft("2"))
        show("dft", socket.dft(19))
        show("dft", socket.dft(256 + 3))
        show("dft", socket.dft(18))
        show("create", socket.create(nil, "t"))
        show("dft", socket.dft(0))
        show("dft", socket.dft(2.0))
        attempt("half", socket.dft, 1.5)
        show("dft", socket.dft())
    ''')
    assert done.texts("dft") == ["4 6", "4 6", "4 6", "3 6", "18 6", "0 6", "2 6", "2 6"]
    assert done.texts("create") == ["nil"]
    assert "no integer representation" in done.texts("half")[0]
    assert "dft adapter change from 1 to 4" in done.firmware("socket")


def test_the_default_adapter_is_the_one_that_is_used(tasks):
    """create, localIP and setDNS without a number."""
    done = tasks.run('''
        socket.dft(socket.ETH0)
        assert(socket.create(nil, "t"))
        assert(socket.create())
    ''')
    assert [e["adapter"] for e in done.events("netc.new")] == ["ETH0", "ETH0"]


@pytest.mark.requirement("SOCK-CREATE-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CREATE-009", revision=1, kind="negative")
@pytest.mark.parametrize("index", ["0", "-1", "7", "18", "19", "1 << 33"])
def test_create_on_an_adapter_that_is_not_there_gives_nil(tasks, index):
    """luat_lib_socket.c:229-272, and "D/socket create fail"."""
    done = tasks.run(f'show("create", socket.create({index}, "t"))')
    assert done.texts("create") == ["nil"]
    assert "create fail" in done.firmware("socket")
    assert "no adapter" in done.warnings[0]


@pytest.mark.requirement("SOCK-CREATE-001", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-CREATE-009", revision=1, kind="negative")
def test_create_gives_nil_when_the_table_is_full(tasks):
    """One table for all lwIP adapters; a release makes room again."""
    done = tasks.run('''
        local kept = {}
        for i = 1, 5 do
            kept[i] = socket.create(i, "t")
            show("create", kept[i] ~= nil)
        end
        socket.release(kept[2])
        show("create", socket.create(nil, "t") ~= nil)
    ''', "--set", "sockets=3")
    assert done.texts("create") == ["true", "true", "true", "false", "false", "true"]
    assert done.firmware("socket") == ["create fail", "create fail"]


def test_ip_ready_is_published_for_every_adapter(emu):
    """IP_READY(ip, adapter); adapter() is true no later."""
    done = emu.run('''
        local count = 0
        sys.subscribe("IP_READY", function(ip, adapter)
            log.info("ready", adapter, ip == socket.localIP(adapter), socket.adapter(adapter))
            count = count + 1
            if count == 6 then os.exit(0) end
        end)
        sys.run()
    ''')
    assert done.texts("ready") == [f"{n} true true {n}" for n in range(1, 7)]


@pytest.mark.requirement("SOCK-LOCALIP-001", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-006", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-007", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-008", revision=1, kind="positive")
def test_local_ip_shows_the_hosts_address(tasks, netns):
    """Address, mask, gateway, and nil or an IPv6 address that is not link-local."""
    netns.link("wan", "10.9.8.7/20")
    netns.run("ip", "route", "add", "default", "via", "10.9.0.1")
    body = 'show("ip", socket.localIP()) show("ip", socket.localIP(socket.ETH0))'
    done = tasks.run(body, netns=netns)
    assert done.texts("ip") == ["10.9.8.7 255.255.240.0 10.9.0.1 nil"] * 2
    netns.run("ip", "addr", "add", "2001:db8::7/64", "dev", "wan", "nodad")
    done = tasks.run(body, netns=netns)
    assert done.texts("ip") == ["10.9.8.7 255.255.240.0 10.9.0.1 2001:db8::7"] * 2


@pytest.mark.requirement("SOCK-LOCALIP-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LOCALIP-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LOCALIP-007", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-LOCALIP-008", revision=1, kind="negative")
def test_local_ip_of_no_adapter_is_nothing(tasks):
    """luat_lib_socket.c:61-106."""
    done = tasks.run('''
        for _, number in ipairs({ 0, -1, 7, 18, 19 }) do show("ip", socket.localIP(number)) end
    ''')
    assert done.texts("ip") == ["nothing"] * 5
    assert "no adapter 7" in done.warnings[2]


@pytest.mark.requirement("SOCK-SETDNS-003", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SETDNS-005", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SETDNS-006", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-SETDNS-008", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-SETDNS-008", revision=1, kind="negative")
def test_set_dns_says_true_to_all_but_an_unknown_adapter(tasks):
    """luat_lib_socket.c:1172-1250; slots out of 1..4 and what is no address are ignored."""
    done = tasks.run('''
        show("dns", socket.setDNS(nil, 1, "192.0.2.1"))
        show("dns", socket.setDNS(socket.ETH0, 4, 0x0100007f))
        show("dns", socket.setDNS(nil, nil, "::1"))
        show("dns", socket.setDNS(nil, 0, "192.0.2.1"))
        show("dns", socket.setDNS(nil, 5, "192.0.2.1"))
        show("dns", socket.setDNS(nil, 1, ("x"):rep(100)))
        show("dns", socket.setDNS(0, 1, "192.0.2.1"))
        show("dns", socket.setDNS(7, 1, "192.0.2.1"))
        show("dns", socket.setDNS(99, 1, "192.0.2.1"))
        attempt("nothing", socket.setDNS, nil, 1)
        attempt("nothing", socket.setDNS, nil, 1, {})
    ''')
    assert done.texts("dns") == ["true"] * 6 + ["false"] * 3
    assert all("string expected, got" in text for text in done.texts("nothing"))
    assert len(done.warnings) == 6


def test_rx_cache_takes_6_to_48(tasks):
    """luat_lib_socket.c:1444-1453: the low 8 bits of a number; always the present value back."""
    done = tasks.run('''
        for _, n in ipairs({ 10, 100, 264, 5, 6, 48, 49, "7", -1 }) do
            show("cache", socket.rx_cache(n))
        end
    ''')
    assert done.texts("cache") == ["10", "10", "8", "8", "6", "48", "48", "48", "48"]
    assert tasks.run('show("cache", socket.rx_cache())').texts("cache") == ["32"]


def test_close_all_disconnects_an_adapters_connections(tasks, tcp_server):
    """CLOSED 0 for what was online over TCP, as discon would give; UDP and others: no event."""
    with tasks.start('''
        local first, second = online(tcp()), online(tcp())
        local idle, datagrams = tcp(), online(udp())
        local eth = socket.create(socket.ETH0, "t")
        socket.config(eth)
        online(eth)
        show("all", socket.close_all(1))
        show("states", (socket.state(first)), (socket.state(datagrams)), (socket.state(eth)))
        expect("CLOSED 0")
        expect("CLOSED 0")
        show("states", (socket.state(first)), (socket.state(second)), (socket.state(idle)),
             (socket.state(datagrams)), (socket.state(eth)))
        settle()
    ''', env={"PORT": tcp_server.port}) as run:
        ended = [tcp_server.accept() for _ in range(3)][:2]
        assert [peer.recv_to_end() for peer in ended] == [b"", b""]
        done = run.finish()
    assert done.code == 0, done
    assert done.texts("all") == ["true"]
    assert done.texts("states") == ["7 1 5", "1 1 0 1 5"]
    assert done.reports()[-2:] == [("CLOSED", 0)] * 2


def test_close_all_wants_a_number_below_19(tasks):
    """luat_lib_socket.c:1421-1435."""
    done = tasks.run('''
        for _, what in ipairs({ "1", false, 19, -1, 18, 0 }) do
            show("all", socket.close_all(what))
        end
        show("all", socket.close_all())
    ''')
    assert done.texts("all") == ["false", "false", "false", "false", "true", "true", "false"]


@pytest.mark.requirement("SOCK-NTPTM-004", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-008", revision=1, kind="negative")
@pytest.mark.requirement("SOCK-NTPTM-011", revision=1, kind="negative")
def test_ntptm_before_any_synchronisation_counts_from_the_start(tasks):
    """luat_lib_sntp.c:177-213: no "vaild", and the offsets are 0."""
    done = tasks.run('''
        local tm = socket.ntptm()
        show("tm", tm.vaild, tm.ndelay, tm.ssec, tm.sms, tm.tsec == tm.lsec, tm.tms == tm.lms)
        show("integers", math.type(tm.tsec), math.type(tm.lms))
    ''')
    assert done.texts("tm") == ["nil 0 0 0 true true"]
    assert done.texts("integers") == ["integer integer"]


def test_sntp_port_is_123_until_set(tasks):
    """luat_lib_sntp.c: the low 16 bits of a number, not 0; a string only asks."""
    done = tasks.run('''
        for _, port in ipairs({ "77", 0, 1123, 65536, 65536 + 5 }) do
            show("port", socket.sntp_port(port))
        end
    ''')
    assert done.texts("port") == ["123", "123", "1123", "1123", "5"]
