"""The report of a run: results.md and its two charts."""

import datetime
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import plot
from bench.debians import DEBIANS, Debian
from bench.measure import Load
from bench.servers import BASELINE, CLASSIC, Server
from bench.summary import Rounds, best, servers, summarize

_CALCD = "#0969da"
_CALCD_LIGHT = "#80b6f2"
_OTHER = "#8c959f"
_OTHER_LIGHT = "#c4cad1"
_NEWEST = DEBIANS[-1]

_MODES = {
    "storm": ("A connection for each request", "connections/s"),
    "pingpong": ("Requests one after another on an open connection", "requests/s"),
    "pipeline": ("A stream of requests on an open connection", "requests/s"),
    "hold": ("Memory of an open connection", "KiB"),
}
# What the tables of all loads compare: of the servers of each column, the best.
_COMPARED = {
    "calcd": ("calcd",),
    "calcd reused": ("calcd reused",),
    "the best tool that gives each client a process of its own": tuple(
        server.name for server in CLASSIC if server.is_tool
    ),
    "threads": ("threads",),
    "asyncio": ("asyncio",),
    "asyncio hiredis": ("asyncio hiredis",),
    "C prefork": ("C prefork",),
    "C epoll": ("C epoll",),
}


class Run(NamedTuple):
    rounds: Rounds
    loads: Sequence[Load]
    how: str

    def measured(self, load: Load) -> list[Server]:
        return [server for server in servers(load) if (_NEWEST, load, server) in self.rounds]


def write(folder: Path, rounds: Rounds, seconds: float) -> list[Path]:
    """Writes what the loads of the run allow, and returns which files these are."""
    count = len(next(iter(rounds.values())))
    how = f"median of {count} {'rounds' if count > 1 else 'round'}, {seconds:g} s each"
    run = Run(rounds, list(dict.fromkeys(load for _, load, _ in rounds)), how)
    texts = {"results.md": "\n".join(_results(run)) + "\n"}
    charted = [load for load in run.loads if not load.is_resp and load.mode in ("storm", "pingpong")]
    if charted:
        texts["throughput.svg"] = plot.svg(_throughput(run, charted))
    if storms := [load for load in charted if load.mode == "storm"]:
        texts["latency.svg"] = plot.svg(_latency(run, storms))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]


def _throughput(run: Run, loads: Sequence[Load]) -> plot.Chart:
    def bar(debian: Debian, load: Load, server: Server) -> plot.Bar:
        s = summarize(run.rounds, debian, load, server)
        dark, light = _colours(server)
        text = f"{_number(s.ratio)} \N{MULTIPLICATION SIGN} ({_short(s.value)}/s)"
        return plot.Bar(s.ratio, s.lowest, s.highest, text, dark if debian is _NEWEST else light)

    oldest, newest = (debian.name for debian in DEBIANS)
    return plot.Chart(
        title="Throughput on one CPU, compared with a C server that forks",
        subtitle=f"Longer is faster. Bar: {run.how}; line across its end: the lowest and the highest.",
        axis="rate, as a multiple of the C server's in the same round (logarithmic)",
        panels=[
            plot.Panel(
                _heading(load),
                [
                    plot.Row(
                        server.name, [bar(debian, load, server) for debian in DEBIANS], _is_calcd(server)
                    )
                    for server in run.measured(load)
                    if server is not BASELINE
                ],
            )
            for load in loads
        ],
        tick="{:g}".format,
        legend=_legend(newest, oldest),
        mark=(1, "C fork"),
    )


def _latency(run: Run, loads: Sequence[Load]) -> plot.Chart:
    def bars(load: Load, server: Server) -> list[plot.Bar]:
        s = summarize(run.rounds, _NEWEST, load, server)
        return [
            plot.Bar(time, time, time, f"{_microseconds(time)} {name}", colour)
            for time, name, colour in zip((s.p50, s.p99), ("p50", "p99"), _colours(server), strict=True)
        ]

    return plot.Chart(
        title=f"Time from connect to the first reply, on one CPU, {_NEWEST.name}",
        subtitle=f"Shorter is faster. {run.how[0].upper()}{run.how[1:]}.",
        axis="time from connect to reply (logarithmic)",
        panels=[
            plot.Panel(
                _clients(load).capitalize(),
                [
                    plot.Row(server.name, bars(load, server), _is_calcd(server))
                    for server in run.measured(load)
                ],
            )
            for load in loads
        ],
        tick=_microseconds,
        legend=_legend("p50", "p99"),
    )


def _legend(dark: str, light: str) -> list[tuple[str, str]]:
    return [
        (_CALCD, f"calcd, {dark}"),
        (_CALCD_LIGHT, f"calcd, {light}"),
        (_OTHER, f"others, {dark}"),
        (_OTHER_LIGHT, f"others, {light}"),
    ]


def _results(run: Run) -> Iterator[str]:
    yield "# calcd and its peers"
    yield ""
    yield (
        f"Made by `make bench`. Each figure is the {run.how}. Server and clients share one CPU, so a rate is "
        "the sum of their work. All is on loopback and on one kernel, the servers in root directories of "
        f"{' and '.join(debian.name for debian in DEBIANS)}, and every reply was checked. A ratio is to the "
        "C server that forks for each connection, on the same Debian in the same round. With RESP, it is to "
        "redis-server, which is asked PING."
    )
    yield from _all_loads(run)
    for load in run.loads:
        yield from _one_load(run, load)
    yield from _servers(run)
    yield from ["", "## The machine", ""]
    yield from _table(["", ""], _machine(), texts=2)


def _all_loads(run: Run) -> Iterator[str]:
    yield from ["", "## All loads", "", "The ratios: of rates, more is better, and of memory, less."]
    for load_of, title in ((False, "the classic protocol"), (True, "RESP")):
        loads = [load for load in run.loads if load.is_resp == load_of]
        columns = [column for column, names in _COMPARED.items() if _has(loads, run, names)]
        if loads:
            yield ""
            yield from _table(
                [title, "", *columns],
                (
                    [_title(load), debian.name, *(_compared(run, debian, load, name) for name in columns)]
                    for load in loads
                    for debian in DEBIANS
                ),
                texts=2,
            )


def _has(loads: Sequence[Load], run: Run, names: Sequence[str]) -> bool:
    return any(server.name in names for load in loads for server in run.measured(load))


def _compared(run: Run, debian: Debian, load: Load, column: str) -> str:
    names = _COMPARED[column]
    chosen = best(run.rounds, debian, load, [each for each in run.measured(load) if each.name in names])
    if chosen is None:
        return ""
    server, summary = chosen
    return _number(summary.ratio) + f" ({server.name})" * (len(names) > 1)


def _one_load(run: Run, load: Load) -> Iterator[str]:
    timed = load.mode in ("storm", "pingpong")
    columns = ["ratio (range)", _MODES[load.mode][1], *["p50 µs", "p99 µs"] * timed]
    yield from ["", f"## {_heading(load)}", ""]
    if load.mode == "hold":
        yield "What the proportional set size of all of the server's processes grows by."
        yield ""
    rows = []
    for server in run.measured(load):
        cells = [server.name]
        for debian in DEBIANS:
            s = summarize(run.rounds, debian, load, server)
            cells += [
                f"{_number(s.ratio)} ({_number(s.lowest)} to {_number(s.highest)})",
                f"{s.value:,.0f}",
            ]
            cells += [f"{s.p50:,.0f}", f"{s.p99:,.0f}"] * timed
        rows.append(cells)
    yield from _table(
        ["server", *(f"{debian.name}: {column}" for debian in DEBIANS for column in columns)], rows
    )


def _servers(run: Run) -> Iterator[str]:
    yield from ["", "## The servers", ""]
    # By name: calcd speaks both protocols.
    compared = {server.name: server for load in run.loads for server in run.measured(load)}
    yield from _table(
        ["server", "what it is", *(debian.name for debian in DEBIANS)],
        (
            [server.name, server.what, *(_version(debian, server) for debian in DEBIANS)]
            for server in compared.values()
        ),
        texts=2 + len(DEBIANS),
    )


def _version(debian: Debian, server: Server) -> str:
    if server.package:
        return debian.output(f"dpkg-query -W -f ${{Version}} {server.package}")
    if server.command.startswith("python3"):
        own = debian.output("python3 -m calcd --version") + ", " if _is_calcd(server) else ""
        return own + debian.output("python3 --version")
    return f"gcc {debian.output('gcc -dumpfullversion')}"


def _machine() -> Iterator[Sequence[str]]:
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    yield "CPU", models[0] if models else platform.machine()
    yield "cores", str(os.cpu_count())
    yield "kernel", platform.release()
    yield "date", datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> Iterator[str]:
    """The first columns are texts, the others numbers."""
    yield f"| {' | '.join(columns)} |"
    yield f"{'| --- ' * texts}{'| ---: ' * (len(columns) - texts)}|"
    for cells in rows:
        yield f"| {' | '.join(cells)} |"


def _colours(server: Server) -> tuple[str, str]:
    return (_CALCD, _CALCD_LIGHT) if _is_calcd(server) else (_OTHER, _OTHER_LIGHT)


def _is_calcd(server: Server) -> bool:
    return server.name.startswith("calcd")


def _heading(load: Load) -> str:
    return f"{'RESP: ' * load.is_resp}{_title(load)}"


def _title(load: Load) -> str:
    return f"{_MODES[load.mode][0]} ({_clients(load)})"


def _clients(load: Load) -> str:
    if load.mode == "hold":
        return f"{load.clients} of them"
    return "one client" if load.clients == 1 else f"{load.clients} clients at a time"


def _number(ratio: float) -> str:
    return f"{ratio:.{2 if ratio >= 0.1 else 3}f}"


def _short(value: float) -> str:
    return f"{value / 1e6:.1f} million" if value >= 1e6 else f"{value:,.0f}"


def _microseconds(value: float) -> str:
    return f"{value / 1000:.3g} ms" if value >= 1000 else f"{value:.0f} µs"
