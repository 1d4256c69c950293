"""Who is let in, for any sequence of arrivals and ends."""

import ipaddress
import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from calcd.handler.sources import Sources
from calcd.listener.admission import ADMITTED, TOO_FAST, TOO_MANY, Admission
from calcd.settings.limits import Limits
from calcd.settings.table import Settings

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
SECOND = 1_000_000_000
EXEMPT = ""
SOURCES = st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::/64", EXEMPT])
LIMIT = st.integers(1, 5) | st.just(math.inf)


def limits(
    connections: float = math.inf, of_source: float = math.inf, rate: float = math.inf, **others: float
) -> Limits:
    given = {name: getattr(Settings(), name) for name in Limits.NAMES}
    return Limits(
        given
        | {
            "max_connections": connections,
            "max_connections_per_source": of_source,
            "max_rate_per_source": rate,
        }
        | others
    )


@given(LIMIT, LIMIT, st.lists(st.tuples(SOURCES, st.booleans()), max_size=60))
def test_no_more_are_open_than_the_limits_allow(
    most: float, most_of_source: float, steps: list[tuple[str, bool]]
) -> None:
    admission = Admission(limits(most, most_of_source))
    now_open: Counter[str] = Counter()
    for source, arrives in steps:
        if arrives and not admission.is_full():
            decision = admission.decide(source, now=0)
            is_one_too_many = source != EXEMPT and now_open[source] >= most_of_source
            assert decision == (TOO_MANY if is_one_too_many else ADMITTED)
            now_open[source] += decision == ADMITTED
        elif now_open[source] and not arrives:
            admission.ended(source)
            now_open[source] -= 1
        assert admission.is_full() == (now_open.total() >= most)
        assert now_open.total() <= most
        assert all(count <= most_of_source for other, count in now_open.items() if other != EXEMPT)


@given(st.integers(1, 50), st.lists(st.integers(0, SECOND), min_size=1, max_size=200))
def test_no_second_has_more_arrivals_than_twice_the_rate_and_a_source_that_keeps_to_it_never_waits(
    rate: int, gaps: list[int]
) -> None:
    admission = Admission(limits(rate=rate))
    now = 0
    admitted = []
    for gap in gaps:
        now += gap
        if admission.decide("192.0.2.1", now) == ADMITTED:
            admitted.append(now)
    for start in admitted:
        # So many at once, and during the second so many as it lasts for.
        assert len([at for at in admitted if start <= at < start + SECOND]) <= 2 * rate
    assert admission.decide("192.0.2.1", now + 2 * SECOND) == ADMITTED


@given(st.integers(1, 1000), st.lists(st.integers(0, SECOND // 10), max_size=100))
def test_who_keeps_to_the_rate_is_never_refused(rate: int, extra: list[int]) -> None:
    admission = Admission(limits(rate=rate))
    now = 0
    for more in extra:
        now += SECOND // rate + 1 + more
        assert admission.decide("192.0.2.1", now) == ADMITTED


def test_a_burst_of_the_rate_is_admitted_and_the_next_one_refused() -> None:
    admission = Admission(limits(rate=20))
    decisions = [admission.decide("192.0.2.1", now=SECOND) for _ in range(25)]
    assert decisions == [ADMITTED] * 20 + [TOO_FAST] * 5
    assert admission.decide("192.0.2.2", now=SECOND) == ADMITTED, "the rate is each source's own"
    assert admission.decide(EXEMPT, now=SECOND) == ADMITTED


def test_sources_are_forgotten_once_that_makes_no_difference() -> None:
    admission = Admission(limits(rate=1))
    assert admission.decide("192.0.2.1", now=0) == ADMITTED
    admission.forget(now=SECOND - 1)
    assert admission.remembers()
    assert admission.decide("192.0.2.1", now=SECOND - 1) == TOO_FAST
    admission.forget(now=SECOND)
    assert not admission.remembers()
    assert admission.decide("192.0.2.1", now=SECOND) == ADMITTED


def test_the_connections_of_another_listener_count() -> None:
    admission = Admission(limits(connections=3, of_source=2))
    admission.count("192.0.2.1", 2)
    assert admission.decide("192.0.2.1", now=0) == TOO_MANY
    assert admission.decide("192.0.2.2", now=0) == ADMITTED
    assert admission.is_full()
    admission.count("192.0.2.1", -1)
    assert admission.decide("192.0.2.1", now=0) == ADMITTED


# --- Sources


def test_an_ipv4_address_is_a_source_and_so_are_the_first_64_bits_of_an_ipv6_address() -> None:
    sources = Sources(())
    assert sources.of("192.0.2.7") == "192.0.2.7"
    assert sources.of("2001:db8:1:2:3:4:5:6") == sources.of("2001:db8:1:2::") == "2001:db8:1:2::/64"
    assert sources.of("2001:db8:1:3::") != sources.of("2001:db8:1:2::")
    assert sources.of("fe80::1%eth0") == "fe80::/64"


@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 128))
def test_a_source_is_exempt_in_the_networks_that_are(address: IPAddress, base: IPAddress, bits: int) -> None:
    network = ipaddress.ip_network(f"{base}/{min(bits, base.max_prefixlen)}", strict=False)
    assert (Sources([str(network)]).of(str(address)) == EXEMPT) == (address in network)


def test_unix_sockets_have_no_source() -> None:
    assert Sources(()).of("") == EXEMPT
