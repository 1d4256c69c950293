"""The programs of docs/client.md print what stands under them."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support import calc_client
from support.daemon import TREE, Calcd

import calcd.client

DOCUMENT = (TREE / "docs" / "client.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as running:
        yield running.address[1]


def test_each_program_is_followed_by_what_it_prints() -> None:
    assert len(PROGRAMS) == DOCUMENT.count("```python") > 5


@pytest.mark.parametrize(("program", "said"), PROGRAMS)
def test_a_program_prints_what_the_page_says(port: int, program: str, said: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program.replace("7070", str(port))],
        capture_output=True,
        text=True,
        env=calc_client.environment(CALCD_SERVER=f"127.0.0.1:{port}"),
        timeout=calc_client.DEADLINE,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == (said, "")


def test_it_has_every_error_of_the_library_with_the_builtin_one() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", DOCUMENT, re.MULTILINE))
    errors = {name: getattr(calcd.client, name) for name in calcd.client.__all__ if name.endswith("Error")}
    assert {*rows, "ClientError"} == set(errors)
    for name, builtin in rows.items():
        assert builtin in [base.__name__ for base in errors[name].__mro__]
