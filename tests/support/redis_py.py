"""Talks to calcd with the redis-py that this Python has: redis_py.py HOST PORT. Ends with a traceback at the
first case that goes wrong. RESP3 is left out where redis-py is older than 5, and has none."""

import asyncio
import concurrent.futures
import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any

import redis
import redis.asyncio

HOST, PORT = sys.argv[1], int(sys.argv[2])
VERSIONS = (2, 3) if int(redis.__version__.split(".")[0]) >= 5 else (2,)
BEYOND = 2**63


# The types of redis-py differ from release to release.
def client(version: int, **options: Any) -> Any:  # noqa: ANN401
    # Told in any case: the default is RESP2 before redis-py 8, RESP3 from then on.
    protocol = {"protocol": version} if 3 in VERSIONS else {}
    return redis.Redis(HOST, PORT, **protocol, **options)


def asynchronous(version: int, **options: Any) -> Any:  # noqa: ANN401
    protocol = {"protocol": version} if 3 in VERSIONS else {}
    return redis.asyncio.Redis(host=HOST, port=PORT, **protocol, **options)


def error_of(call: Callable[[], object]) -> str:
    """What the ResponseError says that a call raises."""
    try:
        result = call()
    except redis.ResponseError as error:
        return str(error)
    raise AssertionError(f"no error but {result!r}")


def numbers(version: int) -> None:
    with client(version) as calcd:
        assert calcd.execute_command("ADD", 2, 3) == 5
        assert calcd.execute_command("mul", 2, 3, 7) == 42
        assert calcd.execute_command("ADD", BEYOND, 0) == str(BEYOND).encode()
        assert calcd.execute_command("ADD", BEYOND, -1) == BEYOND - 1
    with client(version, decode_responses=True) as calcd:
        assert calcd.execute_command("SUB", -BEYOND, 1) == str(-BEYOND - 1)


def as_it_comes(_: int) -> None:
    """Nothing is said of the protocol."""
    with redis.Redis(HOST, PORT) as calcd:
        assert calcd.execute_command("ADD", 2, 3) == 5
    with redis.Redis.from_url(f"redis://{HOST}:{PORT}/0") as calcd:
        assert calcd.execute_command("ADD", 2, 3) == 5


def errors_are_exceptions(version: int) -> None:
    with client(version) as calcd:
        assert error_of(lambda: calcd.execute_command("DIV", 1, 0)).startswith("DIVBYZERO ")
        assert error_of(lambda: calcd.execute_command("ADD", 1, "x")).startswith("NOTINT ")
        assert error_of(lambda: calcd.execute_command("MUL", "9" * 1025, 0)).startswith("TOOBIG ")
        # redis-py drops the word ERR.
        assert error_of(lambda: calcd.get("k")).startswith("unknown command 'GET'")
        assert error_of(lambda: calcd.execute_command("ADD", 1)).startswith("wrong number of arguments")
        assert calcd.execute_command("ADD", 2, 3) == 5


def what_redis_has_too(version: int) -> None:
    with client(version) as calcd:
        assert calcd.ping() is True
        assert calcd.echo("a\r\nb") == b"a\r\nb"
        assert calcd.info()["redis_version"] == "7.0.0"
        assert calcd.info("replication")["role"] == "master"
        assert calcd.info("clients")["maxclients"] > 0
        assert {str(name) for name in calcd.config_get("save")} == {"save"}
        assert calcd.command_count() == len(calcd.command())
        assert "add" in {str(name) for name in calcd.command()}
        assert calcd.client_id() > 0
        assert calcd.client_info()["addr"].startswith(f"{HOST}:")


def names_passwords_and_databases(version: int) -> None:
    with client(version, client_name="me") as calcd:
        assert calcd.client_getname() in ("me", b"me")
    if version == 3:
        with client(version, password="any") as calcd:
            assert calcd.execute_command("ADD", 2, 3) == 5
    with client(version, username="default", password="any") as calcd:
        assert calcd.execute_command("ADD", 2, 3) == 5
    with client(version, db=3) as calcd:
        assert error_of(calcd.ping) == "DB index is out of range"


def pipelines(version: int) -> None:
    with client(version) as calcd:
        for transaction in (True, False):
            with calcd.pipeline(transaction=transaction) as pipeline:
                for operand in range(5000):
                    pipeline.execute_command("ADD", operand, 1)
                assert pipeline.execute() == list(range(1, 5001))
                pipeline.execute_command("ADD", 2, 3)
                pipeline.execute_command("DIV", 1, 0)
                pipeline.execute_command("ADD", BEYOND, 0)
                first, error, last = pipeline.execute(raise_on_error=False)
                assert (first, last) == (5, str(BEYOND).encode())
                assert str(error).startswith("DIVBYZERO ")
                pipeline.execute_command("DIV", 1, 0)
                assert "DIVBYZERO " in error_of(pipeline.execute)
        with calcd.pipeline() as pipeline:
            pipeline.execute_command("NOSUCH")
            pipeline.execute_command("ADD", 2, 3)
            assert "unknown command 'NOSUCH'" in error_of(pipeline.execute)
        assert calcd.execute_command("ADD", 2, 3) == 5


def a_transaction_that_watches(version: int) -> None:
    with client(version) as calcd, calcd.pipeline() as pipeline:
        pipeline.watch("key")
        assert pipeline.execute_command("ADD", 2, 3) == 5
        pipeline.multi()
        pipeline.execute_command("ADD", 3, 4)
        assert pipeline.execute() == [7]


def the_health_check(version: int) -> None:
    # redis-py 5 and later send the PING of a new connection before HELLO.
    with client(version, health_check_interval=0.05, client_name="me") as calcd:
        assert calcd.execute_command("ADD", 2, 3) == 5
        time.sleep(0.1)
        assert calcd.execute_command("ADD", 3, 4) == 7


def a_pool_for_threads(version: int) -> None:
    with client(version, max_connections=8) as calcd, concurrent.futures.ThreadPoolExecutor(8) as threads:
        results = threads.map(lambda operand: calcd.execute_command("ADD", operand, 1), range(400))
        assert list(results) == list(range(1, 401))


def a_connection_that_has_gone_is_opened_anew(version: int) -> None:
    with client(version) as calcd:
        assert calcd.execute_command("QUIT") in (True, b"OK")
        with contextlib.suppress(redis.ConnectionError):  # Debian 12's tells of it once
            calcd.execute_command("ADD", 2, 3)
        assert calcd.execute_command("ADD", 2, 3) == 5


def publishing_is_an_error(version: int) -> None:
    with client(version) as calcd, calcd.pubsub() as listening:
        listening.subscribe("channel")
        assert error_of(listening.parse_response).startswith("unknown command 'SUBSCRIBE'")


def asyncio_too(version: int) -> None:
    async def talk() -> None:
        async with asynchronous(version) as calcd:
            assert await calcd.execute_command("ADD", 2, 3) == 5
            assert await calcd.execute_command("ADD", BEYOND, 0) == str(BEYOND).encode()
            try:
                await calcd.execute_command("DIV", 1, 0)
            except redis.ResponseError as error:
                assert str(error).startswith("DIVBYZERO ")
            else:
                raise AssertionError("no error")
            for transaction in (True, False):
                async with calcd.pipeline(transaction=transaction) as pipeline:
                    for operand in range(100):
                        pipeline.execute_command("ADD", operand, 1)
                    assert await pipeline.execute() == list(range(1, 101))
            sums = await asyncio.gather(*(calcd.execute_command("ADD", n, 1) for n in range(20)))
            assert sums == list(range(1, 21))

    asyncio.run(talk())


CASES: tuple[Callable[[int], None], ...] = (
    numbers,
    as_it_comes,
    errors_are_exceptions,
    what_redis_has_too,
    names_passwords_and_databases,
    pipelines,
    a_transaction_that_watches,
    the_health_check,
    a_pool_for_threads,
    a_connection_that_has_gone_is_opened_anew,
    publishing_is_an_error,
    asyncio_too,
)


def main() -> None:
    for version in VERSIONS:
        for case in CASES:
            case(version)
    versions = " and ".join(map(str, VERSIONS))
    print(f"{len(CASES)} cases, each with redis-py {redis.__version__} in RESP {versions}")


if __name__ == "__main__":
    main()
