"""The socket cases over the W5500: the same test functions, with the script's adapter the chip.

Each runs in a namespace of its own, where a bridge has the servers and the chip's cable; an ordinary user can
make those, too. A new case of the topics below runs here without being named; what the chip's stack refuses is
in the list, with its reason."""

import importlib
import inspect
import socket

import pytest

from harness import Emu, Tasks

CHIP = "10.9.0.2"
PEER = "10.9.0.1"
OTHERS = ["LWIP_GP", "LWIP_STA", "LWIP_AP", "LWIP_ETH", "USB"]
BIND = ["--bind", f"ETH0=veth,bridge=br0,ip={CHIP}/24,gw={PEER},dns={PEER}",
        *(word for name in OTHERS for word in ("--bind", f"{name}=off"))]

# What of the socket cases is not held there, and why. LuatOS components/ethernet/w5500/w5500.c and
# W5500 datasheet 1.0.9: README.md, section ETH0, says so too.
FULL = "20 KB are queued each way a socket, and 2 KB on the chip; more is not taken"
ONE = "a listener is its one client's connection, and no other is heard meanwhile"
MANY = "no one-to-many listeners"
CLOSE = "discon is answered when the peer has closed too: FIN_WAIT lasts until then"
GONE = "what the chip still has when its socket closes can't be read"
ENDS = "after the peer's end a read is (true, nothing): the chip's socket is there until the script closes it"
LOOPS = "no chip talks to itself, or to 127.0.0.1"
NO_IPV6 = "no IPv6"
SHARED = "several of its sockets may listen on one port: the lowest one answers"
SEVEN = "seven sockets"
KERNEL = "what is looked at is the kernel's"
SLOW = "refused and timed out by RTR and RCR, not by a kernel"
CHOSEN = "its ports are its own: none is in use by others of this machine"

REFUSED = {
    "data": {"many_small_tx_in_one_go_stay_in_order": FULL, "rx_takes_all_that_there_is": FULL},
    "events": {"a_script_that_ends_leaves_nothing_open": LOOPS,
               "everything_works_while_the_collector_runs_all_the_time": MANY},
    "server": {
        "a_client_takes_the_listener_over": LOOPS,
        "accept_without_a_client_is_true_all_the_same": ONE,
        "a_second_client_is_turned_away_while_one_is_there": ONE,
        "listening_is_no_event": ONE,
        "two_controls_cannot_listen_on_one_port": SHARED,
        "listen_on_a_port_in_use_fails_at_once": CHOSEN,
        "bytes_that_come_before_accept_are_kept": MANY,
        "accept_without_a_waiting_client_is_false": MANY,
        "accept_without_a_free_control_is_false": MANY,
        "an_ipv6_client_is_served_too": NO_IPV6,
        "a_second_client_that_comes_before_accept_is_turned_away": MANY,
        "clients_that_come_one_right_after_the_other_are_all_served": MANY,
        "a_client_that_leaves_before_accept": MANY,
        "accepted_clients_outlive_the_listener": MANY,
        "many_clients_have_controls_of_their_own": MANY,
        "a_task_can_be_told_of_an_accepted_client": MANY,
        "an_accepted_client_hears_events_without_having_called_anything": MANY,
        "accept_with_a_callback_splits_one_client_off": MANY,
        "a_server_serves_very_many_clients_in_turn": MANY,
        "more_than_8_clients_are_warned_of": MANY,
        "close_all_ends_listeners_silently_and_their_clients_with_closed": MANY,
        "a_script_can_talk_to_itself": LOOPS,
    },
    "tcp": {
        "connect_takes_every_form_of_an_address": LOOPS,
        "a_connection_goes_online_and_echoes": LOOPS,
        "the_local_port_is_the_configured_one": LOOPS,
        "the_cause_of_a_failure_is_in_a_debug_line_only": SLOW,
        "a_connect_that_nobody_answers_times_out": SLOW,
        "the_time_of_a_connect_begins_with_the_call": SLOW,
        "a_local_port_in_use_fails_later": CHOSEN,
        "a_server_that_resets_at_once": GONE,
        "keepalive_is_on_when_asked_for": KERNEL,
        "a_host_without_descriptors_left_fails_the_connect": KERNEL,
        "many_connections_at_once_are_kept_apart": SEVEN,
        "what_came_before_the_end_can_still_be_read": ENDS,
        "discon_of_a_connection_is_answered_by_closed": CLOSE,
        "discon_ends_well_though_data_is_unread": CLOSE,
        "discon_lets_what_was_sent_arrive": CLOSE,
        "what_arrives_while_disconnecting_is_not_reported": CLOSE,
        "events_of_a_closed_connection_do_not_reach_the_next": CLOSE,
    },
}


class ChipPeers:
    def __init__(self, peers):
        self._peers = peers

    def __getattr__(self, name):
        return getattr(self._peers, name)

    def tcp_server(self, host=PEER, **options):
        return self._peers.tcp_server(host, **options)

    def tcp_client(self, port, host=CHIP, **options):
        return self._peers.tcp_client(port, host, **options)

    def tcp_silent(self, host=PEER):
        return self._peers.tcp_silent(host)

    def udp(self, host=PEER, port=0):
        return self._peers.udp(host, port)

    def free_port(self, kind=socket.SOCK_STREAM, host=PEER):
        return self._peers.free_port(kind, host)


class ChipEmu(Emu):
    def __init__(self, binary, directory, netns):
        super().__init__(binary, directory)
        self.netns = netns

    def start(self, case, *args, env=None, **options):
        env = {"HOST": PEER, "ADAPTER": "ETH0", **(env or {})}
        return super().start(case, *BIND, *args, env=env, **{"netns": self.netns, **options})


@pytest.fixture
def chip_netns(netns):
    netns.run("ip", "link", "add", "br0", "type", "bridge")
    netns.run("ip", "addr", "add", f"{PEER}/24", "dev", "br0")
    netns.run("ip", "link", "set", "br0", "up")
    return netns


@pytest.fixture
def emu(luatos_emu, tmp_path, chip_netns):
    emu = ChipEmu(luatos_emu, tmp_path, chip_netns)
    yield emu
    emu.close()


@pytest.fixture
def tasks(emu):
    return Tasks(emu)


@pytest.fixture
def peers(chip_netns):
    return ChipPeers(chip_netns.peers)


@pytest.fixture
def tcp_server(peers):
    return peers.tcp_server()


@pytest.fixture
def udp_peer(peers):
    return peers.udp()


def cases(topic):
    """The test functions of a topic that run a task, by name, without those that are refused."""
    module = importlib.import_module(f"test_socket_{topic}")
    found = {name[5:]: function for name, function in vars(module).items()
             if name.startswith("test_") and "tasks" in inspect.signature(function).parameters}
    unknown = set(REFUSED[topic]) - set(found)
    assert not unknown, f"test_socket_{topic} has no {unknown}"
    return {name: function for name, function in found.items() if name not in REFUSED[topic]}


# The same functions again: the fixtures of this file take the place of theirs.
for _topic in REFUSED:
    for _name, _function in cases(_topic).items():
        globals()[f"test_{_topic}_on_the_chip_{_name}"] = _function
