"""The unit and process tests, with the Python and the python-daemon of each Debian."""

from system.machine import COPY, COPY_TREE, Machine


def test_the_other_tests_pass_on_this_debian(machine: Machine) -> None:
    # As a service: from outside the machine its processes would have a parent that they cannot see.
    run = f"systemd-run --quiet --pipe --wait --working-directory={COPY}"
    command = f"{run} python3 -W error -m pytest --quiet tests/unit tests/process"
    tests = machine.run(f"{COPY_TREE}; {command}", check=False, timeout=900)
    assert tests.returncode == 0, tests.stdout + tests.stderr
