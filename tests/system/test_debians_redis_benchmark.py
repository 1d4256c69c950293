"""The tests of redis-benchmark, with that of Debian 12, and with those of Debian 13 and Valkey."""

import pytest
from process.test_redis_benchmark import *  # noqa: F403 - its tests are run here
from system.debian_clients import inside

TOOLS = [("bookworm", "redis-benchmark"), ("trixie", "redis-benchmark"), ("trixie", "valkey-benchmark")]


@pytest.fixture(name="benchmark", scope="module", params=TOOLS, ids=" ".join)
def benchmark_of_both(request: pytest.FixtureRequest) -> list[str]:
    suite, tool = request.param
    return inside(suite, tool)
