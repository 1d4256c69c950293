"""make deb with its tests, which have the Python and the packages of the other Debian."""

from package.workshop import Package, collect
from system.machine import COPY, Background, Machine


def test_the_tests_pass_in_the_build_and_change_nothing(
    workshop: Machine, complete_build: Background, package: Package
) -> None:
    complete_build.finish(seconds=900)
    log = workshop.output("cat /root/build.log")
    # Those with Prometheus alone, which would be a server more on each machine that builds.
    assert " passed, 4 skipped in " in log
    assert log.count("Prometheus is missing: run ./check") == 4
    sources = {
        name: digest for name, digest in package.sums.items() if not name.endswith((".buildinfo", ".changes"))
    }
    assert sources.items() <= collect(workshop, COPY).sums.items()
