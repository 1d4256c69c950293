"""Makes the texts of INFO, of calcd --status and of the metrics from the table."""

import json
import math
from collections.abc import Iterator, Mapping

from calcd.supervisor.published.facts import Facts
from calcd.supervisor.published.table import ROWS, Family, Number, Row


def info(facts: Facts) -> bytes:
    """Returns the text of INFO: https://redis.io/docs/latest/commands/info/."""
    sections: dict[str, list[str]] = {}
    for row in ROWS:
        if row.info:
            sections.setdefault(row.section, [f"# {row.section}"]).extend(_fields(row, facts))
    return "\r\n".join("".join(f"{line}\r\n" for line in lines) for lines in sections.values()).encode()


def status(facts: Facts) -> bytes:
    """Returns INFO with the line ends of a terminal."""
    return info(facts).replace(b"\r\n", b"\n")


def status_in_json(facts: Facts) -> bytes:
    """Returns INFO as an object of objects: by section, by field, and, if a field has several values, by the
    label's. A number that is infinite is null: JSON has none."""
    sections: dict[str, dict[str, object]] = {}
    for row in ROWS:
        if row.info:
            value = row.value(facts)
            sections.setdefault(row.section, {})[row.info.removesuffix("_{}")] = (
                {label: _in_json(number) for (label,), number in value.items()}
                if isinstance(value, Mapping)
                else _in_json(value)
            )
    return (json.dumps(sections, indent=2) + "\n").encode()


def _in_json(value: str | Number) -> str | Number | None:
    return None if value == math.inf else value


def _fields(row: Row, facts: Facts) -> Iterator[str]:
    """Several values are in one field, key=value, as in Redis' db0; or each has its own, as in errorstat_."""
    match row.value(facts):
        case str() | int() | float() as value:
            yield f"{row.info}:{_in_info(value)}"
        case family if "{}" in row.info:
            for (label,), number in family.items():
                yield f"{row.info.format(label)}:count={_in_info(number)}"
        case family:
            # redis-py splits at each comma, and stumbles over a part without "=".
            labelled = ((label.replace(",", ""), number) for (label,), number in family.items())
            yield f"{row.info}:" + ",".join(f"{label}={_in_info(number)}" for label, number in labelled)


def _in_info(value: str | Number) -> str:
    return "infinity" if value == math.inf else str(value)


def metrics(facts: Facts) -> bytes:
    """Returns the metrics in Prometheus' text format, version 0.0.4:
    https://prometheus.io/docs/instrumenting/exposition_formats/."""
    lines = []
    for row in ROWS:
        if row.metric:
            lines += [f"# HELP {row.metric} {row.help}", f"# TYPE {row.metric} {row.type}"]
            lines += [f"{series} {_in_metrics(number)}" for series, number in _series(row, facts)]
    return "".join(f"{line}\n" for line in lines).encode()


def _series(row: Row, facts: Facts) -> Iterator[tuple[str, Number]]:
    match row.value(facts):
        case str():
            raise TypeError(f"{row.metric} is no number")
        case int() | float() as number:
            yield row.metric, number
        case family:
            yield from _labelled(row, family)


def _labelled(row: Row, family: Family) -> Iterator[tuple[str, Number]]:
    for values, number in family.items():
        labels = ",".join(f'{name}="{value}"' for name, value in zip(row.labels, values, strict=True))
        yield f"{row.metric}{{{labels}}}", number


def _in_metrics(number: Number) -> str:
    return "+Inf" if number == math.inf else repr(number)
