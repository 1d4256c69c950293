"""Every input that a fuzzer has found worth keeping, once more; it needs no fuzzer for that."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fuzz import resp_target, targets
from fuzz.counts import Counts
from fuzz.run import CORPUS, EXPECTED, check_counters
from fuzz.targets import Target
from support.daemon import Calcd


def files(folder: str) -> list[Path]:
    found = sorted((CORPUS / folder).iterdir())
    assert found
    return found


@pytest.mark.parametrize(
    ("make", "file"),
    [
        *((targets.decoder, file) for file in files("decoder")),
        *((targets.header, file) for file in files("header")),
        *((resp_target.dialogue, file) for file in files("dialogue")),
        *((targets.session, file) for file in files("session")),
        *((targets.reports, file) for file in files("reports")),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else value.__name__,
)
def test_what_was_found_once_is_right(make: Callable[[Counts], Target], file: Path) -> None:
    make(Counts.in_memory())(file.read_bytes())


def test_the_running_daemon_answers_every_stream_of_the_corpus(tmp_path: Path) -> None:
    folder = tmp_path / "calcd"
    folder.mkdir()
    calcd = Calcd(folder)
    calcd.config.write_text("[calcd]\nLogConnections=errors\nProtocols=classic\n")
    calcd.expected += EXPECTED
    with calcd:
        counts = Counts.in_memory()
        target = targets.daemon(counts, calcd.address)
        for file in files("session"):
            target(file.read_bytes())
        check_counters(calcd, counts)
        assert counts["streams"] == len(files("session"))
