"""The table of settings, from which files, options, help texts and samples are made.

The fields of Settings are the rows of the table. A row has everything about its setting, once. A Settings
object never changes: a reload makes a new one.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calcd.settings import values
from calcd.settings.addresses import Address, format_addresses, parse_addresses
from calcd.settings.setting import Setting, row
from calcd.settings.values import LogConnections, LogLevel, LogTarget

# ruff: noqa: RUF009 - row() is a dataclass field specifier, which ruff cannot know


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings in force."""

    listen: tuple[Address, ...] = row(
        Setting(
            name="Listen",
            parse=parse_addresses,
            format=format_addresses,
            default="127.0.0.1:7070",
            reloadable=True,
            repeatable=True,
            option="--listen",
            metavar="ADDRESS",
            help="Where to listen: IPV4:PORT, [IPV6]:PORT, *:PORT for all addresses of both, or unix:/PATH; "
            "with proxied: in front, for proxies that send a header of the PROXY protocol; with metrics: in "
            "front, for Prometheus. Can be given more than once. With port 0 the kernel picks one. Not used "
            "when systemd passes the sockets.",
        )
    )
    free_bind: bool = row(
        Setting(
            name="FreeBind",
            parse=values.parse_boolean,
            format=values.format_boolean,
            default="no",
            reloadable=True,
            help="Whether calcd listens on addresses of Listen= that the machine does not have yet, as one "
            "that appears when a network comes up. Not used when systemd passes the sockets: there it is "
            "FreeBind= of the socket unit.",
        )
    )
    socket_mode: int = row(
        Setting(
            name="SocketMode",
            parse=values.parse_mode,
            format=values.format_mode,
            default="0666",
            reloadable=True,
            help="The mode of the files of Unix sockets in Listen=. A client needs the right to write to "
            "the file. Not used when systemd passes the sockets: there it is SocketMode= of the socket unit.",
        )
    )
    socket_group: str = row(
        Setting(
            name="SocketGroup",
            parse=str,
            format=str,
            default="",
            reloadable=True,
            help="The group, by name or number, of the files of Unix sockets in Listen=. Empty for the "
            "group that calcd runs as. Not used when systemd passes the sockets: there it is SocketGroup= "
            "of the socket unit.",
        )
    )
    protocols: tuple[str, ...] = row(
        Setting(
            name="Protocols",
            parse=values.parse_protocols,
            format=values.format_protocols,
            default="classic resp",
            reloadable=True,
            help="The protocols that calcd speaks: classic, resp, or both, which a client's first byte tells "
            "apart. Not used when systemd passes the sockets with a name that says it: there it is "
            "FileDescriptorName= of the socket unit, classic, resp, or calcd for both.",
        )
    )
    pid_file: Path | None = row(
        Setting(
            name="PidFile",
            parse=values.parse_path,
            format=values.format_path,
            default="/run/calcd/calcd.pid",
            reloadable=False,
            option="--pidfile",
            metavar="PATH",
            help="The file that holds the process ID. It is locked for as long as calcd runs, so that a "
            "second calcd with the same file does not start. Empty for none.",
        )
    )
    user: str = row(
        Setting(
            name="User",
            parse=str,
            format=str,
            default="",
            reloadable=False,
            option="--user",
            metavar="USER",
            help="The user, by name or number, to become once everything that needs root is done. "
            "Empty to stay who started calcd.",
        )
    )
    group: str = row(
        Setting(
            name="Group",
            parse=str,
            format=str,
            default="",
            reloadable=False,
            option="--group",
            metavar="GROUP",
            help="The group, by name or number, that goes with the user. Empty for the user's primary group.",
        )
    )
    backlog: int = row(
        Setting(
            name="Backlog",
            parse=values.parse_backlog,
            format=str,
            default="4096",
            reloadable=True,
            help="How many connections may wait in the kernel until calcd accepts them, for each address of "
            "Listen=. The kernel allows net.core.somaxconn at most. Not used when systemd passes the "
            "sockets: there it is Backlog= of the socket unit.",
        )
    )
    max_connections: float = row(
        Setting(
            name="MaxConnections",
            parse=values.parse_count,
            format=values.format_count,
            default="1000",
            reloadable=True,
            help="The most connections open at a time. Beyond it calcd accepts none, and new ones wait in "
            "the kernel until others end. Each takes a process: keep it below the unit's TasksMax=.",
        )
    )
    max_connections_per_source: float = row(
        Setting(
            name="MaxConnectionsPerSource",
            parse=values.parse_count,
            format=values.format_count,
            default="100",
            reloadable=True,
            help="The most connections open at a time from one source: an IPv4 address, or the first 64 bits "
            "of an IPv6 address. Further ones are closed at once.",
        )
    )
    max_rate_per_source: float = row(
        Setting(
            name="MaxRatePerSource",
            parse=values.parse_count,
            format=values.format_count,
            default="100",
            reloadable=True,
            help="The most new connections in a second from one source; so many may also come at once. "
            "Further ones are closed at once.",
        )
    )
    exempt_sources: tuple[values.Network, ...] = row(
        Setting(
            name="ExemptSources",
            parse=values.parse_networks,
            format=values.format_networks,
            default="127.0.0.0/8 ::1/128",
            reloadable=True,
            repeatable=True,
            help="Addresses and networks for which the limits for a source do not hold. Clients of Unix "
            "sockets are always exempt. Empty for none.",
        )
    )
    proxy_sources: tuple[values.Network, ...] = row(
        Setting(
            name="ProxySources",
            parse=values.parse_networks,
            format=values.format_networks,
            default="127.0.0.0/8 ::1/128",
            reloadable=True,
            repeatable=True,
            help="Addresses and networks of the proxies that may connect to a proxied socket, and are "
            "believed. Connections of others are closed before a byte is read. Who may connect to a proxied "
            "Unix socket is said by its mode. Empty for none.",
        )
    )
    proxy_timeout: float = row(
        Setting(
            name="ProxyTimeout",
            parse=values.parse_timeout,
            format=values.format_timeout,
            default="5s",
            reloadable=True,
            help="How long a proxy may take from its connect to the end of its header. A balancer that sends "
            "the header with its client's first bytes needs as long as its clients do.",
        )
    )
    max_requests: float = row(
        Setting(
            name="MaxRequests",
            parse=values.parse_count,
            format=values.format_count,
            default=values.INFINITY,
            reloadable=True,
            help="The most requests that a connection may make. It is closed behind the last reply.",
        )
    )
    spare_handlers: int = row(
        Setting(
            name="SpareHandlers",
            parse=values.parse_spare,
            format=str,
            default="8",
            reloadable=True,
            help="How many handlers to fork ahead, so that a new connection need not wait for its own; when "
            "half of them are taken, others follow. With 0, a handler is forked when a connection waits for "
            "it. With ConnectionsPerHandler= above 1, none are added while handlers wait for a CPU.",
        )
    )
    connections_per_handler: float = row(
        Setting(
            name="ConnectionsPerHandler",
            parse=values.parse_count,
            format=values.format_count,
            default="1",
            reloadable=True,
            help="How many connections a handler serves, one after the other, before another takes its "
            "place. 1 gives each connection a process of its own. With more, the limits of a handler are for "
            "all its connections together.",
        )
    )
    first_byte_timeout: float = row(
        Setting(
            name="FirstByteTimeout",
            parse=values.parse_timeout,
            format=values.format_timeout,
            default="1min",
            reloadable=True,
            help="How long a client may take from its connect to the first byte.",
        )
    )
    frame_timeout: float = row(
        Setting(
            name="FrameTimeout",
            parse=values.parse_timeout,
            format=values.format_timeout,
            default="10s",
            reloadable=True,
            help="How long a request may take from its first byte to its last.",
        )
    )
    idle_timeout: float = row(
        Setting(
            name="IdleTimeout",
            parse=values.parse_timeout,
            format=values.format_timeout,
            default="15min",
            reloadable=True,
            help="How long a client may be silent between two requests.",
        )
    )
    send_timeout: float = row(
        Setting(
            name="SendTimeout",
            parse=values.parse_timeout,
            format=values.format_timeout,
            default="1min",
            reloadable=True,
            help="How long a client may take to make room for the replies that calcd has ready for it.",
        )
    )
    connection_lifetime: float = row(
        Setting(
            name="ConnectionLifetime",
            parse=values.parse_timeout,
            format=values.format_timeout,
            default=values.INFINITY,
            reloadable=True,
            help="How long a connection may last, however busy it is. What has been asked by then is "
            "answered.",
        )
    )
    handler_cpu_time: float = row(
        Setting(
            name="HandlerCpuTime",
            parse=values.parse_timeout,
            format=values.format_timeout,
            default="1h",
            reloadable=True,
            help="The CPU time that a connection's handler may take, in whole seconds; the kernel kills it "
            "then. In an hour it answers ten thousand million pipelined requests.",
        )
    )
    handler_memory: float = row(
        Setting(
            name="HandlerMemory",
            parse=values.parse_memory,
            format=values.format_size,
            default="64M",
            reloadable=True,
            help="The memory that a connection's handler may allocate (RLIMIT_DATA), and the listener with "
            "it. They take 8M, most of it shared.",
        )
    )
    drain_time: float = row(
        Setting(
            name="DrainTime",
            parse=values.parse_span,
            format=values.format_span,
            default="10s",
            reloadable=True,
            help="How long connections may take to end when calcd stops. Those still open then are cut off. "
            "Keep it below the service's TimeoutStopSec=.",
        )
    )
    log_level: LogLevel = row(
        Setting(
            name="LogLevel",
            parse=values.one_of(LogLevel),
            format=str,
            default="info",
            reloadable=True,
            option="--log-level",
            metavar="LEVEL",
            help=f"The least important messages to log: {', '.join(LogLevel)}.",
        )
    )
    log_target: LogTarget = row(
        Setting(
            name="LogTarget",
            parse=values.one_of(LogTarget),
            format=str,
            default="auto",
            reloadable=False,
            option="--log-target",
            metavar="TARGET",
            help=f"Where to log: {', '.join(LogTarget)}. auto is the journal for a service of systemd, "
            "or standard error where its unit directs that elsewhere; standard error in the foreground; and "
            "syslog otherwise. json is standard error with an object on each line.",
        )
    )
    log_connections: LogConnections = row(
        Setting(
            name="LogConnections",
            parse=values.one_of(LogConnections),
            format=str,
            default="all",
            reloadable=True,
            help=f"Which connections to log: {', '.join(LogConnections)}. all logs when each one opens and "
            "ends; errors only the end of those that did not end well.",
        )
    )


ROWS: Mapping[str, Setting[Any]] = {
    field.name: field.metadata["setting"] for field in dataclasses.fields(Settings)
}
"""The rows of the table, in order, by the attribute of Settings."""
