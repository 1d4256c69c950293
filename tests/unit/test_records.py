"""Records that one version writes as JSON and another one reads."""

import dataclasses
import json
from pathlib import Path
from typing import NamedTuple

import pytest

from calcd.supervisor.records import Fd, file_descriptors, from_json, to_json


class Point(NamedTuple):
    x: int
    y: float = 0.5


@dataclasses.dataclass
class Everything:
    number: int
    text: str
    data: bytes
    yes: bool
    path: Path
    points: list[Point]
    by_text: dict[str, Point]
    by_number: dict[int, list[str]]
    nothing: Point | None
    file: Fd
    files: list[Fd]
    maybe: Fd | None = None
    added: list[int] = dataclasses.field(default_factory=list)


WHOLE = Everything(
    number=-7,
    text="Grüße\n",
    data=b"\0\xff",
    yes=True,
    path=Path("/run/calcd/calcd.pid"),
    points=[Point(1, 2.5), Point(3)],
    by_text={"a": Point(4)},
    by_number={5: ["six", "seven"]},
    nothing=None,
    file=Fd(8),
    files=[Fd(9), Fd(10)],
    maybe=Fd(11),
    added=[12],
)


def through_json(value: object) -> dict[str, object]:
    result = json.loads(json.dumps(to_json(value)))
    assert isinstance(result, dict)
    return result


def test_what_is_written_is_read() -> None:
    assert from_json(Everything, through_json(WHOLE)) == WHOLE


def test_a_field_that_a_newer_version_has_added_is_left_out() -> None:
    assert from_json(Everything, {**through_json(WHOLE), "newer": [1, 2]}) == WHOLE


def test_a_field_that_an_older_version_lacks_has_its_default() -> None:
    given = through_json(WHOLE)
    del given["added"], given["maybe"]
    assert from_json(Everything, given) == dataclasses.replace(WHOLE, added=[], maybe=None)


def test_a_whole_number_is_a_number_with_a_fraction_as_well() -> None:
    assert from_json(Point, {"x": 1, "y": 2}) == Point(1, 2.0)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"number": "7"}, r"state\.number is not a int"),
        ({"number": True}, r"state\.number is not a int"),
        ({"text": None}, r"state\.text is not a str"),
        ({"data": "*"}, ""),
        ({"points": {}}, r"state\.points is not a list"),
        ({"points": [{"y": 1}]}, r"state\.points\[0\] lacks x"),
        ({"points": [{"x": 1}, {"x": "2"}]}, r"state\.points\[1\]\.x is not a int"),
        ({"by_text": []}, r"state\.by_text is not a dict"),
        ({"by_number": {"a": []}}, ""),
        ({"file": "8"}, r"state\.file is not a int"),
    ],
)
def test_what_is_not_understood_is_named(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        from_json(Everything, {**through_json(WHOLE), **change})


def test_file_descriptors_are_known_by_their_type() -> None:
    assert list(file_descriptors(Everything, WHOLE)) == [8, 9, 10, 11]
