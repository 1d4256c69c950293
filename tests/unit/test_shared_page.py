"""Memory that one process writes and others read, where no reader sees half a text."""

import mmap
import os
import random

import pytest

from calcd.handler.published import MINIMUM, Published
from calcd.linux import shared_page
from calcd.linux.shared_page import ROOM, Reader, Writer, make


@pytest.fixture
def writer() -> Writer:
    return make()


@pytest.fixture
def reader(writer: Writer) -> Reader:
    return Reader(os.dup(writer.for_reading))


def test_a_reader_gets_what_was_written_last(writer: Writer, reader: Reader) -> None:
    assert reader.read() is None
    for texts in ((b"one", b""), (b"", b"two"), (b"a" * 20_000, b"b" * (ROOM - 20_000)), (b"", b"")):
        writer.write(texts)
        assert reader.read() == texts


def test_a_text_that_does_not_fit_is_refused_and_the_last_one_stays(writer: Writer, reader: Reader) -> None:
    writer.write((b"one", b"two"))
    with pytest.raises(ValueError, match="do not fit"):
        writer.write((b"a" * ROOM, b"b"))
    assert reader.read() == (b"one", b"two")


def test_a_writer_that_died_in_the_middle_leaves_the_texts_from_before(
    writer: Writer, reader: Reader
) -> None:
    writer.write((b"one", b"two"))
    writer.write((b"three", b"four"))
    os.pwrite(writer.file, b"x", 22)  # in a text of the second, which is in the first copy
    assert reader.read() == (b"one", b"two")
    writer.write((b"five", b"six"))
    assert reader.read() == (b"five", b"six")


def test_nonsense_is_not_read(writer: Writer, reader: Reader) -> None:
    noise = random.Random(1)
    for _ in range(100):
        os.pwrite(writer.file, noise.randbytes(2 * shared_page._COPY_SIZE), 0)
        assert reader.read() is None
    os.pwrite(writer.file, b"\xff" * 2 * shared_page._COPY_SIZE, 0)
    assert reader.read() is None


def test_a_reader_meanwhile_sees_whole_texts_alone(writer: Writer, reader: Reader) -> None:
    """Another process writes as fast as it can."""
    writer.write((b"0" * 9000, b"0" * 9000))
    child = os.fork()
    if child == 0:
        for number in range(20_000):
            digit = b"%d" % (number % 10)
            writer.write((digit * (number % 9000), digit * 9000))
        os._exit(0)
    seen = set()
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if texts := reader.read():
            first, second = texts
            assert len(set(first + second)) == 1
            seen.add(first[:1])
    assert len(seen) > 1


def test_a_reader_cannot_make_it_writable(writer: Writer) -> None:
    with pytest.raises(PermissionError):
        mmap.mmap(writer.for_reading, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(writer.for_reading, b"x")


def test_without_memory_info_is_what_clients_insist_on() -> None:
    """A supervisor from before an upgrade gives a new listener none."""
    assert Published(None).info() == MINIMUM
    assert b"\r\nrole:master\r\n" in MINIMUM
    assert Published(None).metrics() == b""


def test_with_memory_it_is_what_was_published(writer: Writer) -> None:
    published = Published(os.dup(writer.for_reading))
    assert published.info() == MINIMUM
    writer.write((b"# Server\r\n", b"calcd_connections 1\n"))
    assert (published.info(), published.metrics()) == (b"# Server\r\n", b"calcd_connections 1\n")
