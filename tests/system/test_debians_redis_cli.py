"""The tests of redis-cli, with that of Debian 12, and with those of Debian 13 and Valkey."""

import pytest
from process.test_redis_cli import *  # noqa: F403 - its tests are run here
from system.debian_clients import inside

TOOLS = [("bookworm", "redis-cli"), ("trixie", "redis-cli"), ("trixie", "valkey-cli")]


@pytest.fixture(name="cli", scope="module", params=TOOLS, ids=" ".join)
def cli_of_both(request: pytest.FixtureRequest) -> list[str]:
    suite, tool = request.param
    return inside(suite, tool)
