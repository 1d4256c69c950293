"""Values of settings: what is read, what is written, and what is refused."""

import math
import socket
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcd.settings import addresses, values

# --- Addresses


@pytest.mark.parametrize(
    ("text", "family", "sockaddr"),
    [
        ("127.0.0.1:7070", socket.AF_INET, ("127.0.0.1", 7070)),
        ("0.0.0.0:0", socket.AF_INET, ("0.0.0.0", 0)),
        ("[::]:65535", socket.AF_INET6, ("::", 65535)),
        ("[2001:db8::1]:7070", socket.AF_INET6, ("2001:db8::1", 7070)),
        ("[fe80::1%lo]:7070", socket.AF_INET6, ("fe80::1", 7070, 0, socket.if_nametoindex("lo"))),
        ("[fe80::1%7]:7070", socket.AF_INET6, ("fe80::1", 7070, 0, 7)),
        ("*:7070", socket.AF_INET6, ("::", 7070)),
        ("unix:/run/calcd/a:b", socket.AF_UNIX, "/run/calcd/a:b"),
        ("unix:/" + "a" * 106, socket.AF_UNIX, "/" + "a" * 106),
        ("proxied:192.0.2.1:7071", socket.AF_INET, ("192.0.2.1", 7071)),
        ("proxied:*:7071", socket.AF_INET6, ("::", 7071)),
        ("proxied:unix:/run/calcd/a", socket.AF_UNIX, "/run/calcd/a"),
        ("metrics:127.0.0.1:7079", socket.AF_INET, ("127.0.0.1", 7079)),
        ("metrics:[::1]:7079", socket.AF_INET6, ("::1", 7079)),
        ("metrics:unix:/run/calcd/a", socket.AF_UNIX, "/run/calcd/a"),
    ],
)
def test_an_address(text: str, family: socket.AddressFamily, sockaddr: object) -> None:
    address = addresses.parse_address(text)
    assert (address.family, address.sockaddr()) == (family, sockaddr)
    assert str(address) == text


@pytest.mark.parametrize("text", ["192.0.2.1:7071", "[::1]:7071", "unix:/run/calcd/a"])
def test_an_address_for_proxies_or_metrics_is_another_one_than_that_for_clients(text: str) -> None:
    plain, proxied, metrics = addresses.parse_addresses(f"{text} proxied:{text} metrics:{text}")
    assert [each.prefix for each in (plain, proxied, metrics)] == ["", "proxied:", "metrics:"]
    assert plain.under_other_prefixes() == [proxied, metrics]
    assert metrics.under_other_prefixes() == [plain, proxied]


def test_a_port_that_the_kernel_picks_is_another_one_each_time() -> None:
    assert addresses.parse_address("metrics:127.0.0.1:0").under_other_prefixes() == []


def test_one_ipv6_address_written_in_two_ways_is_one_address() -> None:
    assert addresses.parse_address("[0:0::0:1]:7070") == addresses.parse_address("[::1]:7070")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("localhost:7070", "'localhost' is not an IP address, and an address is needed"),
        ("::1:7070", "an IPv6 address goes in brackets"),
        ("[127.0.0.1]:7070", "'127.0.0.1' is not an IP address"),
        ("127.1:7070", "'127.1' is not an IP address"),
        (":7070", "'' is not an IP address"),
        ("[fe80::1%]:7070", "'' is not an interface's name"),
        ("[fe80::1%a/b]:7070", "'a/b' is not an interface's name"),
        ("[fe80::1%0123456789abcdef]:7070", "is not an interface's name"),
        ("[*]:7070", "'*' is not an IP address"),
        ("7070", "is not an address: write IPV4:PORT, [IPV6]:PORT or unix:/PATH"),
        ("127.0.0.1:", "'' is not a port"),
        ("127.0.0.1:http", "'http' is not a port"),
        ("127.0.0.1:65536", "'65536' is not a port: it is a number from 0 to 65535"),
        ("127.0.0.1:-1", "'-1' is not a port"),
        ("127.0.0.1:\N{ARABIC-INDIC DIGIT ONE}", "is not a port"),
        ("unix:calcd.sock", "the path must be absolute"),
        ("proxied:", "is not an address: write IPV4:PORT, [IPV6]:PORT or unix:/PATH"),
        ("proxied:proxied:127.0.0.1:7070", "'proxied:127.0.0.1' is not an IP address"),
        ("metrics:proxied:127.0.0.1:7070", "'proxied:127.0.0.1' is not an IP address"),
        ("metrics:7079", "is not an address: write IPV4:PORT, [IPV6]:PORT or unix:/PATH"),
        ("unix:@calcd", "the path must be absolute"),
        ("unix:/" + "a" * 107, "the path has 108 bytes, and 107 is the most"),
        ("unix:/" + "\N{EURO SIGN}" * 36, "the path has 109 bytes"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        addresses.parse_address(text)
    assert reason in str(caught.value)


def test_the_longest_path_of_a_unix_socket_is_the_systems() -> None:
    longest = "/nonexistent/".ljust(addresses.SUN_PATH_MAX, "a")
    with socket.socket(socket.AF_UNIX) as sock:
        with pytest.raises(FileNotFoundError):
            sock.bind(longest)
        with pytest.raises(OSError, match="AF_UNIX path too long"):
            sock.bind(longest + "a")


# --- Spans of time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("1.5", 1.5),
        ("1.", 1),
        ("500ms", 0.5),
        ("500 msec", 0.5),
        ("1min 30s", 90),
        ("1min30", 90),
        (" 2 m  1s ", 121),
        ("1h", 3600),
        ("0.5 hours", 1800),
        ("1d 1hr", 90000),
        ("2w", 1209600),
        ("3us", 3e-6),
        ("3\N{GREEK SMALL LETTER MU}s", 3e-6),
        ("0.1us", 0),
    ],
)
def test_a_span_of_time(text: str, seconds: float) -> None:
    assert values.parse_span(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "soon",
        "10 parsecs",
        "1,5s",
        "-1",
        "1e3",
        "s",
        "1:30",
        "5..5s",
        "1.5.5s",
        "1M",
        "infinity",
        "1S",
    ],
)
def test_what_is_no_span_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a span of time: write 90"):
        values.parse_span(text)


@pytest.mark.parametrize("text", ["15d", "1209600.000001", "9" * 18 + "w"])
def test_a_span_beyond_what_the_kernel_can_wait_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is too long: 2w is the most"):
        values.parse_span(text)


spans = st.integers(0, values.SPAN_MAX * 1_000_000).map(lambda microseconds: microseconds / 1_000_000)


@given(spans)
def test_a_span_written_and_read_again_is_the_same(seconds: float) -> None:
    assert values.parse_span(values.format_span(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0"), (10.0, "10s"), (90.0, "1min 30s"), (0.5, "500ms"), (788645.000001, "1w 2d 3h 4min 5s 1us")],
)
def test_a_span_is_written_in_the_largest_units(seconds: float, text: str) -> None:
    assert values.format_span(seconds) == text


# --- Counts, sizes, time-outs and networks


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (values.parse_count, "1", 1),
        (values.parse_count, "1000000000", 10**9),
        (values.parse_count, "infinity", math.inf),
        (values.parse_backlog, "65535", 65535),
        (values.parse_memory, "16777216", 16 << 20),
        (values.parse_memory, "65536K", 64 << 20),
        (values.parse_memory, "16M", 16 << 20),
        (values.parse_memory, "1024G", 1 << 40),
        (values.parse_memory, "infinity", math.inf),
        (values.parse_timeout, "1us", 1e-6),
        (values.parse_timeout, "infinity", math.inf),
        (values.parse_boolean, "yes", True),
        (values.parse_mode, "0660", 0o660),
        (values.parse_mode, "600", 0o600),
        (values.parse_protocols, "resp", ("resp",)),
        (values.parse_protocols, "resp classic resp", ("classic", "resp")),
    ],
)
def test_a_limit(parse: Callable[[str], object], text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "reason"),
    [
        (values.parse_count, "0", "a number from 1 to 1000000000, or infinity for none"),
        (values.parse_count, "1000000001", "is not a limit"),
        (values.parse_count, "-1", "is not a limit"),
        (values.parse_count, "many", "is not a limit"),
        (values.parse_count, "\N{ARABIC-INDIC DIGIT ONE}", "is not a limit"),
        (values.parse_protocols, "", "'' is no protocol: calcd speaks classic and resp"),
        (values.parse_protocols, "classic http", "'http' is no protocol"),
        (values.parse_backlog, "0", "a number from 1 to 65535"),
        (values.parse_backlog, "infinity", "is not a backlog"),
        (values.parse_memory, "0", "16M is the least"),
        (values.parse_memory, "1025G", "1024G the most"),
        (values.parse_memory, "1.5G", "is not a size"),
        (values.parse_memory, "64m", "is not a size"),
        (values.parse_timeout, "0", "leaves no time: write infinity for no deadline"),
        (values.parse_timeout, "soon", "is not a span of time"),
        (values.parse_boolean, "true", "'true' is neither yes nor no"),
        (values.parse_mode, "666x", "three octal digits, as in 0660"),
        (values.parse_mode, "0680", "is not a file mode"),
        (values.parse_mode, "01777", "is not a file mode"),
        (values.parse_networks, "192.0.2.1/24", "has host bits set"),
        (values.parse_networks, "::1 example.org", "'example.org' is neither an address nor a network"),
        (values.parse_networks, "fe80::1%eth0", "it holds in each zone, and names none; write 192.0.2.0/24"),
        (values.parse_networks, "::ffff:192.0.2.0/120", "IPv4 within IPv6"),
    ],
)
def test_what_is_no_limit_is_refused_with_the_reason(
    parse: Callable[[str], object], text: str, reason: str
) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert reason in str(caught.value)
