"""What calcd tells of itself, each thing once: a row makes a field of INFO, a metric, and what manuals say.

1.  The names of INFO are those of Redis where the meaning is the same: redis-cli --stat, monitoring systems
    and client libraries read them.
2.  A label has few values, which are known before: all of them are there from the start, with 0.
3.  The table imports nothing that a build lacks, because packaging/generate.py reads it.
"""

import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

import calcd
from calcd.supervisor.published.facts import Facts

Number = int | float
# By the values of the row's labels.
Family = Mapping[tuple[str, ...], Number]

GAUGE, COUNTER = "gauge", "counter"


class Row(NamedTuple):
    section: str
    info: str  # the field's name; empty if it is only a metric; with {} there is a field for each label
    value: Callable[[Facts], str | Number | Family]
    help: str
    metric: str = ""  # its name; empty if it is only a field
    type: str = GAUGE
    labels: tuple[str, ...] = ()


def _family(counts: Mapping[str, Number]) -> Family:
    return {(value,): count for value, count in counts.items()}


ROWS = (
    Row(
        "Server",
        "redis_version",
        lambda _: "7.0.0",
        "The version of Redis whose protocol this is, for clients that go by it.",
    ),
    Row("Server", "calcd_version", lambda _: calcd.__version__, "The version of calcd."),
    Row("Server", "redis_mode", lambda _: "standalone", "Always standalone: there is no cluster."),
    Row("Server", "os", lambda facts: facts.system, "The kernel's name and version, and the machine."),
    Row("Server", "arch_bits", lambda _: struct.calcsize("P") * 8, "The size of an address, in bits."),
    Row("Server", "python_version", lambda facts: facts.python, "The version of Python."),
    Row(
        "Server",
        "",
        lambda facts: {(calcd.__version__, facts.python): 1},
        "Always 1; the labels are the versions of calcd and of Python.",
        "calcd_build_info",
        labels=("version", "python"),
    ),
    Row("Server", "process_id", lambda facts: facts.pid, "The PID of the supervisor."),
    Row(
        "Server",
        "tcp_port",
        lambda facts: facts.port,
        "The first TCP port that calcd listens on, or 0 if there are Unix sockets alone.",
    ),
    Row(
        "Server",
        "start_time_in_seconds",
        lambda facts: round(facts.started, 3),
        "When calcd was started, in seconds since 1970.",
        "process_start_time_seconds",
    ),
    Row("Server", "uptime_in_seconds", lambda facts: int(facts.uptime), "Seconds since calcd was started."),
    Row("Server", "uptime_in_days", lambda facts: int(facts.uptime // 86_400), "The same in whole days."),
    Row(
        "Clients",
        "connected_clients",
        lambda facts: facts.counters.connections,
        "Connections that are open now.",
        "calcd_connections",
    ),
    Row(
        "Clients",
        "maxclients",
        lambda facts: facts.max_connections,
        "The most connections that may be open at a time: MaxConnections=.",
        "calcd_connections_limit",
    ),
    Row("Clients", "blocked_clients", lambda _: 0, "Always 0: no command blocks."),
    Row(
        "Memory",
        "used_memory",
        lambda facts: facts.memory,
        "Resident memory of the supervisor and the listeners, in bytes. Handlers share most of theirs with "
        "their listener.",
        "calcd_memory_bytes",
    ),
    Row("Persistence", "loading", lambda _: 0, "Always 0: there is nothing to load."),
    Row("Persistence", "rdb_bgsave_in_progress", lambda _: 0, "Always 0: there is nothing to save."),
    Row("Persistence", "aof_rewrite_in_progress", lambda _: 0, "Always 0, for the same reason."),
    Row(
        "Stats",
        "total_connections_received",
        lambda facts: facts.counters.opened,
        "Connections that were admitted.",
        "calcd_connections_opened_total",
        COUNTER,
    ),
    Row(
        "Stats",
        "total_commands_processed",
        lambda facts: facts.counters.requests,
        "Requests that were answered.",
        "calcd_requests_total",
        COUNTER,
    ),
    Row(
        "Stats",
        "total_net_input_bytes",
        lambda facts: facts.counters.received,
        "Bytes received from clients.",
        "calcd_received_bytes_total",
        COUNTER,
    ),
    Row(
        "Stats",
        "total_net_output_bytes",
        lambda facts: facts.counters.sent,
        "Bytes sent to clients.",
        "calcd_sent_bytes_total",
        COUNTER,
    ),
    Row(
        "Stats",
        "rejected_connections",
        lambda facts: facts.counters.refused,
        "Connections that were closed at once, because their source had too many, made them too fast, "
        "or is none of ProxySources=.",
    ),
    Row(
        "Stats",
        "total_error_replies",
        lambda facts: sum(facts.counters.error_replies.values()),
        "Replies that were errors.",
    ),
    Row("Replication", "role", lambda _: "master", "Always master: there are no replicas."),
    Row("Replication", "connected_slaves", lambda _: 0, "Always 0, for the same reason."),
    Row(
        "CPU",
        "used_cpu_sys",
        lambda facts: round(facts.cpu_of_system, 6),
        "Seconds of CPU time that the kernel has spent for the supervisor, the listeners, and the handlers "
        "that have ended.",
    ),
    Row(
        "CPU",
        "used_cpu_user",
        lambda facts: round(facts.cpu_of_user, 6),
        "Seconds of CPU time that these processes have spent themselves.",
    ),
    Row(
        "CPU",
        "",
        lambda facts: _family({"system": facts.cpu_of_system, "user": facts.cpu_of_user}),
        "CPU time of the supervisor, the listeners, and the handlers that have ended, in seconds.",
        "calcd_cpu_seconds_total",
        COUNTER,
        ("mode",),
    ),
    Row(
        "Errorstats",
        "errorstat_{}",
        lambda facts: _family(facts.counters.error_replies),
        "Replies that were errors, by the word that they begin with. NOPROTO, WRONGPASS and EXECABORT count "
        "as ERR.",
        "calcd_error_replies_total",
        COUNTER,
        ("kind",),
    ),
    Row("Cluster", "cluster_enabled", lambda _: 0, "Always 0: there is no cluster."),
    Row("Calcd", "since", lambda facts: facts.counters.since, "When calcd was started, as the log has it."),
    Row(
        "Calcd",
        "connections_ended",
        lambda facts: _family(facts.counters.endings),
        "Connections that have ended, by how: in the words of the log; by the name of the setting that ended "
        "them, such as IdleTimeout; handler died; or report lost. INFO leaves out commas.",
        "calcd_connections_ended_total",
        COUNTER,
        ("ending",),
    ),
    Row(
        "Calcd",
        "connections_of_protocols",
        lambda facts: _family(facts.counters.protocols),
        "Connections that have ended, by the protocol that the client spoke; none if no byte came.",
        "calcd_protocol_connections_total",
        COUNTER,
        ("protocol",),
    ),
    Row(
        "Calcd",
        "strangers",
        lambda facts: facts.counters.strangers,
        "Connections that spoke no protocol of calcd's.",
        "calcd_strangers_total",
        COUNTER,
    ),
    Row(
        "Calcd",
        "probes",
        lambda facts: facts.counters.probes,
        "Connections that their clients closed before they had sent a byte, as health checks do.",
        "calcd_probes_total",
        COUNTER,
    ),
    Row(
        "Calcd",
        "proxy_checks",
        lambda facts: facts.counters.checks,
        "Connections that proxies have made for themselves, to see whether calcd is well; no other number "
        "counts them once they have ended, but total_connections_received.",
        "calcd_proxy_checks_total",
        COUNTER,
    ),
    Row(
        "Calcd",
        "proxy_headers_refused",
        lambda facts: facts.counters.headers_refused,
        "Connections of proxies that were closed, because of their header or for want of one.",
        "calcd_proxy_headers_refused_total",
        COUNTER,
    ),
    Row(
        "Calcd",
        "connections_refused",
        lambda facts: _family(facts.counters.refused_by_limit),
        "Connections that were closed at once, by the limit that their source had reached, or because it is "
        "none of ProxySources=.",
        "calcd_connections_refused_total",
        COUNTER,
        ("limit",),
    ),
    Row(
        "Calcd",
        "limits_reached",
        lambda facts: _family(facts.counters.reached_by_limit),
        "How often a limit was reached after it had not been for a while, by limit.",
        "calcd_limits_reached_total",
        COUNTER,
        ("limit",),
    ),
    Row(
        "Calcd",
        "handlers",
        lambda facts: _family({"waiting": facts.waiting, "serving": facts.serving}),
        "Handlers that wait for a connection, and handlers that serve one, at the last ping.",
        "calcd_handlers",
        labels=("state",),
    ),
    Row(
        "Calcd",
        "handlers_killed",
        lambda facts: facts.counters.handlers_killed,
        "Handlers that were killed, or that ended by a defect.",
        "calcd_handlers_killed_total",
        COUNTER,
    ),
    Row(
        "Calcd",
        "listeners",
        lambda facts: facts.listeners,
        "Listeners: one, and those that retire.",
        "calcd_listeners",
    ),
    Row(
        "Calcd",
        "listeners_lost",
        lambda facts: facts.counters.listeners_lost,
        "Listeners that have died and were replaced.",
        "calcd_listeners_lost_total",
        COUNTER,
    ),
    Row(
        "Calcd",
        "reloads",
        lambda facts: _family({"succeeded": facts.counters.reloads, "failed": facts.counters.reloads_failed}),
        "Reloads that have put new settings in force, and reloads that have failed.",
        "calcd_reloads_total",
        COUNTER,
        ("result",),
    ),
    Row(
        "Calcd",
        "upgrades",
        lambda facts: _family(
            {"succeeded": facts.counters.upgrades, "failed": facts.counters.upgrades_failed}
        ),
        "Upgrades in place, by which calcd goes on as another version, and those that have failed.",
        "calcd_upgrades_total",
        COUNTER,
        ("result",),
    ),
    Row(
        "Calcd",
        "last_reload_successful",
        lambda facts: int(facts.counters.last_reload_successful),
        "1 if the last reload or upgrade has succeeded or there was none, else 0.",
        "calcd_config_last_reload_successful",
    ),
    Row(
        "Calcd",
        "log_messages_lost",
        lambda facts: facts.log_lost,
        "Messages that were lost, because the log took none for too long.",
        "calcd_log_messages_lost_total",
        COUNTER,
    ),
)
