"""Ways that a connection ends: what a session reports, what a report can say, and the words for it."""

import ast
from pathlib import Path

import pytest

from calcd.handler import deadlines, report, session
from calcd.listener import admission
from calcd.protocol import proxy_header
from calcd.supervisor.counts import connections, reached_limits, refused_headers

WORDS = connections.ENDINGS | connections.CUT_OFFS


@pytest.mark.parametrize("ending", range(256))
def test_a_report_can_say_what_there_are_words_for_and_nothing_else(ending: int) -> None:
    record = report.ended(report.ENDED, 7, True, 0, ending, 0, 0, 0, b"GET ", report.NOTHING, 0, 0, 0, 0)
    assert (report.decode(record) is not None) == (ending in WORDS.keys() - {report.NOT_KNOWN})


@pytest.mark.parametrize("ending", range(256))
def test_an_ending_that_another_version_reports_is_known_or_not_known(ending: int) -> None:
    record = report.ended(report.ENDED, 7, True, 0, ending, 1, 2, 3, b"GET ", 99, 0, 0, 0, 0)
    fields = report.decode_any(record)
    assert fields is not None
    assert fields[4] == (ending if ending in WORDS else report.NOT_KNOWN)
    assert fields[9] == report.NOTHING


def test_there_are_words_for_all_that_a_session_reports() -> None:
    reported = {
        node.attr
        for module in (session, deadlines)
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_bytes()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "report"
    }
    assert len(reported) > 10
    assert {getattr(report, name) for name in reported - {"NOTHING", "CLASSIC", "RESP"}} == WORDS.keys() - {
        report.NOT_KNOWN
    }


def test_there_are_words_for_each_reason_to_refuse_a_header() -> None:
    reasons = {*proxy_header.REASONS, report.HEADER_CUT_OFF, report.HEADER_LATE, report.UNTRUSTED_PROXY}
    assert refused_headers.WORDS.keys() == reasons == {*range(1, len(reasons) + 1)}


def test_what_limits_admission_has_a_setting_to_be_named_in_the_log() -> None:
    decisions = {
        value
        for name, value in vars(admission).items()
        if name.isupper() and name[0] != "_" and type(value) is int
    }
    assert decisions - {admission.ADMITTED} == reached_limits._ATTRIBUTES.keys()
    assert reached_limits._MESSAGES.keys() == reached_limits._ATTRIBUTES.keys()
