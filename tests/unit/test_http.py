"""HTTP as the metrics need it: one request, and whatever else comes has an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcd.protocol import http

PATH = b"/metrics"
HOST = b"Host: localhost\r\n"


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /metrics HTTP/1.1", 200),
        (b"HEAD /metrics HTTP/1.1", 200),
        (b"GET /metrics?x=1 HTTP/1.1", 200),
        (b"GET http://localhost:7079/metrics HTTP/1.1", 200),
        (b"GET / HTTP/1.1", 404),
        (b"GET /metrics/ HTTP/1.1", 404),
        (b"GET http://localhost HTTP/1.1", 404),
        (b"POST / HTTP/1.1", 404),
        (b"POST /metrics HTTP/1.1", 405),
        (b"get /metrics HTTP/1.1", 405),
        (b"GET  /metrics HTTP/1.1", 400),
        (b"GET /metrics", 400),
        (b"GET /metrics HTTP/2.0", 400),
        (b"PING", 400),
        (b"", 400),
    ],
)
def test_a_request_line_has_a_status(request_line: bytes, status: int) -> None:
    assert http.status_of(request_line + b"\r\n" + HOST + b"\r\n", PATH) == status
    assert http.status_of((request_line + b"\r\n" + HOST + b"\r\n").replace(b"\r", b""), PATH) == status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"Host: a\r\nAccept: */*\r\n", 200),
        (b"", 400),  # RFC 9112, 3.2
        (b"Host: a\r\nHost: b\r\n", 400),
        (b"Host: a\r\nno colon\r\n", 400),
        (b"Host: a\r\nna me: x\r\n", 400),
        (b"Host: a\r\n folded: x\r\n", 400),
        (b"Host: a\r\n: x\r\n", 400),
    ],
)
def test_header_fields_have_to_be_sound(fields: bytes, status: int) -> None:
    assert http.status_of(b"GET /metrics HTTP/1.1\r\n" + fields + b"\r\n", PATH) == status


def test_an_older_client_names_no_host() -> None:
    assert http.status_of(b"GET /metrics HTTP/1.0\r\n\r\n", PATH) == 200


def test_a_head_that_never_ends_is_too_large() -> None:
    request = b"GET /metrics HTTP/1.1\r\n" + b"a" * http.HEAD_SIZE
    assert http.status_of(request[: http.HEAD_SIZE], PATH) == 431
    assert http.status_of(request[:100], PATH) == 400


@given(st.binary(max_size=http.HEAD_SIZE) | st.binary(max_size=200).map(lambda data: data + b"\r\n\r\n"))
def test_whatever_comes_has_a_status_and_a_response(data: bytes) -> None:
    status = http.status_of(data, PATH)
    response = http.response(status, data, b"text")
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nContent-Length: 4\r\nConnection: close" in head
    assert body == (b"" if data.startswith(b"HEAD ") else b"text")


def test_a_method_that_is_not_allowed_is_told_which_are() -> None:
    assert b"\r\nAllow: GET, HEAD\r\n\r\n" in http.response(405, b"", b"")
