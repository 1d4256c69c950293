"""The report of a run: results.md and its two charts."""

import datetime
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import plot, servers
from bench.measure import Load
from bench.servers import BASELINE, Server
from bench.summary import Rounds, summarize

_CALCD = "#0969da"
_CALCD_LIGHT = "#80b6f2"
_OTHER = "#8c959f"
_OTHER_LIGHT = "#c4cad1"

_MODES = {
    "storm": ("Connections: connect, one request, quit, close", "connections/s"),
    "pingpong": ("Requests one after another on an open connection", "requests/s"),
    "pipeline": ("A stream of requests on an open connection", "requests/s"),
    "hold": ("Memory of an open connection", "KiB"),
}


def write(folder: Path, rounds: Rounds, missing: Sequence[Server], seconds: float) -> list[Path]:
    """Writes what the loads of the run allow, and returns which files these are."""
    loads = list(dict.fromkeys(load for load, _ in rounds))
    compared = list(dict.fromkeys(server for _, server in rounds))
    count = len(next(iter(rounds.values())))
    how = f"median of {count} {'rounds' if count > 1 else 'round'}, {seconds:g} s each"
    texts = {"results.md": "\n".join(_results(rounds, loads, compared, missing, how)) + "\n"}
    rates = [load for load in loads if load.mode != "hold"]
    storms = [load for load in loads if load.mode == "storm"]
    if rates and len(compared) > 1:
        texts["throughput.svg"] = plot.svg(_throughput(rounds, rates, compared, how))
    if storms:
        texts["latency.svg"] = plot.svg(_latency(rounds, storms, compared, how))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]


def _throughput(rounds: Rounds, loads: Sequence[Load], compared: Sequence[Server], how: str) -> plot.Chart:
    panels = []
    for load in loads:
        rows = []
        for server in compared:
            if server is not BASELINE:
                s = summarize(rounds, load, server)
                text = f"{_number(s.ratio)} \N{MULTIPLICATION SIGN} ({_short(s.value)}/s)"
                bar = plot.Bar(s.ratio, s.lowest, s.highest, text, _CALCD if _is_calcd(server) else _OTHER)
                rows.append(plot.Row(server.name, [bar], _is_calcd(server)))
        panels.append(plot.Panel(_heading(load), rows))
    return plot.Chart(
        title="Throughput on one CPU, compared with a C server that forks",
        subtitle=f"Longer is faster. Bar: {how}; line across its end: the lowest and the highest.",
        axis="rate, as a multiple of the C server's in the same round (logarithmic)",
        panels=panels,
        tick="{:g}".format,
        legend=[(_CALCD, "calcd"), (_OTHER, "others")],
        mark=(1, "C fork"),
    )


def _latency(rounds: Rounds, loads: Sequence[Load], compared: Sequence[Server], how: str) -> plot.Chart:
    panels = []
    for load in loads:
        rows = []
        for server in compared:
            s = summarize(rounds, load, server)
            dark, light = (_CALCD, _CALCD_LIGHT) if _is_calcd(server) else (_OTHER, _OTHER_LIGHT)
            bars = [
                plot.Bar(time, time, time, f"{_microseconds(time)} {name}", colour)
                for time, name, colour in ((s.p50, "p50", dark), (s.p99, "p99", light))
            ]
            rows.append(plot.Row(server.name, bars, _is_calcd(server)))
        panels.append(plot.Panel(_clients(load).capitalize(), rows))
    return plot.Chart(
        title="Time from connect to the first reply, on one CPU",
        subtitle=f"Shorter is faster. {how[0].upper()}{how[1:]}.",
        axis="time from connect to reply (logarithmic)",
        panels=panels,
        tick=_microseconds,
        legend=[
            (_CALCD, "calcd p50"),
            (_CALCD_LIGHT, "calcd p99"),
            (_OTHER, "others p50"),
            (_OTHER_LIGHT, "others p99"),
        ],
    )


def _results(
    rounds: Rounds, loads: Sequence[Load], compared: Sequence[Server], missing: Sequence[Server], how: str
) -> Iterator[str]:
    yield "# calcd and its peers"
    yield ""
    yield (
        f"Made by `make bench`. Each figure is the {how}. A ratio is to the C server that forks for each "
        "connection, in the same round. Server and clients share one CPU, so a rate is the sum of their "
        "work; all is on loopback, and every reply was checked."
    )
    for load in loads:
        yield from _table(rounds, load, compared)
    yield from ["", "## The servers", "", "| server | what it does | version |", "| --- | --- | --- |"]
    for server in compared:
        yield f"| {server.name} | {server.what} | {servers.version(server)} |"
    if missing:
        yield from ["", f"Not installed, so left out: {', '.join(server.name for server in missing)}."]
    yield from ["", "## The machine", "", "| | |", "| --- | --- |"]
    for name, value in _machine():
        yield f"| {name} | {value} |"


def _table(rounds: Rounds, load: Load, compared: Sequence[Server]) -> Iterator[str]:
    held = load.mode == "hold"
    measured = [(server, summarize(rounds, load, server)) for server in compared]
    timed = measured[0][1].p50 > 0
    columns = ["server", "ratio", "range", _MODES[load.mode][1]] + ["p50 µs", "p99 µs"] * timed
    yield from ["", f"## {_heading(load)}", ""]
    if held:
        yield "What the proportional set size of all of the server's processes grows by."
        yield ""
    yield f"| {' | '.join(columns)} |"
    yield f"| --- {'| ---: ' * (len(columns) - 1)}|"
    for server, s in measured:
        cells = [
            server.name,
            _number(s.ratio),
            f"{_number(s.lowest)} to {_number(s.highest)}",
            f"{s.value:,.0f}",
        ]
        cells += [f"{s.p50:,.0f}", f"{s.p99:,.0f}"] * timed
        yield f"| {' | '.join(cells)} |"


def _machine() -> Iterator[tuple[str, str]]:
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    yield "CPU", models[0] if models else platform.machine()
    yield "cores", str(os.cpu_count())
    yield "kernel", platform.release()
    yield "Python", servers.version_of_python()
    yield "system", platform.freedesktop_os_release()["PRETTY_NAME"]
    yield "date", datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")


def _is_calcd(server: Server) -> bool:
    return server.name.startswith("calcd")


def _heading(load: Load) -> str:
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
