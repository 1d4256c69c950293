"""make install and make uninstall."""

import re

import pytest
from system.machine import COPY, COPY_TREE, Machine
from system.test_units import UNITS
from system.traces import BY_HAND, USERS, listing

LISTING = listing()
# What the shells find by themselves, wherever it was installed.
ZSH_COMPLETIONS = "autoload -U compinit; compinit -D -u; print $_comps[calcd] $_comps[calc-client]"
BASH_COMPLETIONS = (
    ". /usr/share/bash-completion/bash_completion; "
    "for program in calcd calc-client; do __load_completion $program; complete -p $program; done"
)
# fish keeps files in a home; and it offers nothing for a program that PATH does not have.
FISH_COMPLETIONS = (
    "export HOME=$(mktemp -d) PATH=$PATH:/opt/calcd/bin; "
    "for program in calcd calc-client; do fish -c \"complete -C '$program --vers'\"; done; rm -r $HOME"
)


# Values that are no use for anything, and what make says of them.
REFUSED = {
    "PREFIX=/home/calcd": "the service does not see what is there",
    "PREFIX=/root": "the service does not see what is there",
    "BINDIR=/var/tmp/bin": "the service does not see what is there",
    "PREFIX=calcd": "a path has to begin with /",
    "PREFIX=": "a path has to begin with /",
    "PREFIX='/opt/a calcd'": "only letters, digits and ._+@,=/- work in it",
    "PREFIX='/opt/$$(id)'": "only letters, digits and ._+@,=/- work in it",
    "PREFIX=/opt/calcd/": "it ends with /",
    "PREFIX=/opt/../home/calcd": "it ends with /, or has //, . or .. in it",
    "DESTDIR='/opt/a stage'": "only letters, digits and ._+@:,~=/- work in it",
    "SYSTEMD=v254": "it has to be a number",
}


@pytest.fixture(scope="module")
def tree(machine: Machine) -> str:
    machine.run(COPY_TREE)
    return COPY


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local"])
def test_uninstall_leaves_nothing_of_what_install_and_use_put_there(
    machine: Machine, tree: str, prefix: str
) -> None:
    make = f"make --silent -C {tree} PREFIX={prefix}"
    before = machine.output(f"{LISTING}; {USERS}").splitlines()
    next_step = machine.output(f"{make} install").splitlines()[-1]
    assert next_step == "Next: systemctl enable --now calcd.socket calcd.service"
    machine.run(next_step.removeprefix("Next: "))
    assert machine.output("calc-client 2 + 3") == "5"
    machine.run("touch /etc/calcd/blue.conf; systemctl enable --now calcd@blue.socket calcd@blue.service")
    assert machine.output("calc-client --server unix:/run/calcd-blue.sock 2 + 3") == "5"
    machine.run("rm /etc/calcd/blue.conf")
    machine.run(f"test -e {prefix}/lib/calcd/calcd/py.typed")
    assert machine.output("command -v calcd calc-client").split() == [
        f"{prefix}/bin/calcd",
        f"{prefix}/bin/calc-client",
    ]
    pages = machine.output("man -w calcd calc-client calcd.conf calcd-protocol").splitlines()
    assert [page.startswith(f"{prefix}/") for page in pages] == [True] * 4
    assert machine.output(f"zsh -fc '{ZSH_COMPLETIONS}'").split() == ["_calcd", "_calc-client"]
    assert machine.output(BASH_COMPLETIONS).count("complete -F _calc") == 2
    assert machine.output(FISH_COMPLETIONS).count("--version\t") == 2
    assert "calcd has started" in machine.output("journalctl -x -u calcd --no-pager")
    machine.run(BY_HAND)
    machine.run(f"{make} uninstall")
    assert machine.run("journalctl --list-catalog | grep calcd", check=False).stdout == ""
    assert machine.run("pgrep -a calcd", check=False).stdout == ""
    assert machine.output("find /run -xdev -name 'calcd*'") == ""
    after = machine.output(f"{LISTING}; {USERS}").splitlines()
    assert set(after) ^ set(before) == set()


def test_in_a_prefix_of_its_own_all_is_found_that_systemd_and_man_look_for(
    machine: Machine, tree: str
) -> None:
    make = f"make --silent -C {tree} PREFIX=/opt/calcd"
    before = machine.output(f"{LISTING}; {USERS}").splitlines()
    said = machine.output(f"{make} install").splitlines()
    assert said[-2].startswith("The programs are in /opt/calcd/bin, which PATH may not have")
    machine.run(said[-1].removeprefix("Next: "))
    assert machine.output("/opt/calcd/bin/calc-client 2 + 3") == "5"
    machine.run("systemctl reload calcd && systemctl restart calcd")
    assert machine.output("/opt/calcd/bin/calc-client 2 + 3") == "5"
    assert len(machine.output("man -w calcd calc-client calcd.conf calcd-protocol").splitlines()) == 4
    assert machine.output(f"zsh -fc '{ZSH_COMPLETIONS}'").split() == ["_calcd", "_calc-client"]
    assert machine.output(BASH_COMPLETIONS).count("complete -F _calc") == 2
    assert machine.output(FISH_COMPLETIONS).count("--version\t") == 2
    assert "calcd has started" in machine.output("journalctl -x -u calcd --no-pager")
    assert machine.run(f"systemd-analyze verify {UNITS}").stderr == ""
    machine.run(f"{make} uninstall")
    after = machine.output(f"{LISTING}; {USERS}").splitlines()
    assert set(after) ^ set(before) == set()


def test_folders_that_do_not_work_are_refused_before_anything_is_written(machine: Machine, tree: str) -> None:
    before = machine.output(LISTING)
    for setting, reason in REFUSED.items():
        for goal in ("install", "uninstall"):
            refused = machine.run(f"make -C {tree} {goal} {setting}", check=False)
            assert refused.returncode != 0, setting
            assert reason in refused.stderr.splitlines()[-2]
    assert machine.output(LISTING) == before


def test_symbolic_links_to_where_the_service_would_see_nothing_are_refused_before_anything_is_written(
    machine: Machine, tree: str
) -> None:
    machine.run("mkdir -p /tmp/stage/usr; ln -s /srv /tmp/stage/usr/local")
    machine.run("ln -s /home/of-calcd /usr/hidden; ln -s '/srv/a calcd' /usr/spaced")
    before = machine.output(LISTING)
    for setting, refusal in {
        "PREFIX=/usr/hidden": "PREFIX=/usr/hidden, which is /home/of-calcd: the service does not see",
        "LIBDIR=/usr/hidden/lib": "LIBDIR=/usr/hidden/lib, which is /home/of-calcd/lib: the service does",
        "PREFIX=/usr/spaced": "PREFIX=/usr/spaced, which is /srv/a calcd: only letters, digits and",
        "DESTDIR=/tmp/stage": "PREFIX=/usr/local: a symbolic link in it leads out of DESTDIR=/tmp/stage",
    }.items():
        for goal in ("install", "uninstall"):
            refused = machine.run(f"make -C {tree} {goal} {setting}", check=False)
            assert refused.returncode != 0, setting
            assert refusal in refused.stderr.splitlines()[-2]
    assert machine.output(LISTING) == before
    machine.run("rm -r /tmp/stage /usr/hidden /usr/spaced")


@pytest.mark.parametrize(("link", "target"), [("/usr/link", "/srv/calcd"), ("/opt/link", "/home/of-calcd")])
def test_a_prefix_behind_another_symbolic_link_works(
    machine: Machine, tree: str, link: str, target: str
) -> None:
    machine.run(f"mkdir {target}; ln -s {target} {link}")
    make = f"make --silent -C {tree} PREFIX={link}"
    before = machine.output(f"{LISTING}; {USERS}").splitlines()
    said = machine.output(f"{make} install").splitlines()
    machine.run(said[-1].removeprefix("Next: "))
    assert machine.output(f"{link}/bin/calc-client 2 + 3") == "5"
    assert machine.run(f"systemd-analyze verify {UNITS}").stderr == ""
    machine.run(f"{make} uninstall")
    after = machine.output(f"{LISTING}; {USERS}").splitlines()
    assert {line.split()[-1] for line in set(after) ^ set(before)} <= {target}
    machine.run(f"rm -rf {link} {target}")


def test_uninstall_completes_whatever_is_missing_or_fails(machine: Machine, tree: str) -> None:
    make = f"make --silent -C {tree} PREFIX=/opt/calcd"
    before = machine.output(f"{LISTING}; {USERS}").splitlines()
    machine.run(f"{make} uninstall")
    machine.run(f"{make} install; rm /usr/local/lib/systemd/system/calcd.socket; rm -r /opt/calcd")
    machine.run(f"{make} uninstall && {make} uninstall")
    # As in a chroot, where systemd cannot be asked to stop anything.
    machine.run(f"{make} install; systemd-run --uid=calcd --unit=calcd-user sleep infinity")
    machine.wait_for("pgrep -u calcd sleep")  # systemd-run does not wait until the process has that user
    said = machine.run(f"unshare --mount sh -c 'mount -t tmpfs tmpfs /run/systemd && {make} uninstall'")
    assert "kept, for the reason above: the user calcd" in said.stderr
    machine.run(f"systemctl stop calcd-user; {make} uninstall")
    after = machine.output(f"{LISTING}; {USERS}").splitlines()
    assert set(after) ^ set(before) == set()


def test_a_changed_configuration_survives_install_and_uninstall(machine: Machine, tree: str) -> None:
    make = f"make --silent -C {tree} PREFIX=/usr"
    machine.run(f"{make} install; echo DrainTime=5s >>/etc/calcd/calcd.conf")
    machine.run(f"{make} install")
    assert "DrainTime=5s" in machine.output("calcd --dump-config").splitlines()
    said = machine.output(f"{make} uninstall")
    assert "kept, because it was changed: /etc/calcd/calcd.conf" in said
    assert machine.output("tail -n 1 /etc/calcd/calcd.conf") == "DrainTime=5s"
    machine.run("rm -r /etc/calcd")


def test_a_staged_install_touches_nothing_but_its_folder(machine: Machine, tree: str) -> None:
    before = machine.output(LISTING)
    machine.run(f"make -C {tree} install PREFIX=/usr DESTDIR=/tmp/stage")
    assert machine.output(LISTING) == before
    assert machine.output("grep -r /tmp/stage /tmp/stage || :") == ""
    machine.run(f"make -C {tree} uninstall PREFIX=/usr DESTDIR=/tmp/stage")
    assert machine.output("find /tmp/stage -not -type d") == ""


def test_an_install_for_another_machine_is_for_the_systemd_that_is_named(machine: Machine, tree: str) -> None:
    """Older ones warn of settings in the drop-in, and newer ones make use of them."""
    drop_in = "/tmp/stage/usr/lib/systemd/system/calcd.service.d/10-restart.conf"
    make = f"make --silent -C {tree} PREFIX=/usr DESTDIR=/tmp/stage"
    for systemd, is_there in (("254", True), ("253", False), ("257", True)):
        machine.run(f"{make} install SYSTEMD={systemd}")
        assert (machine.run(f"ls {drop_in}", check=False).returncode == 0) == is_there
    machine.run(f"{make} uninstall")
    assert machine.output("find /tmp/stage -not -type d") == ""


def test_install_names_the_packages_that_are_missing(machine: Machine, tree: str) -> None:
    refused = machine.run(f"make -C {tree} install DESTDIR=/tmp/none PYTHON='python3 -S'", check=False)
    assert refused.returncode != 0
    assert "apt-get install python3-daemon python3-systemd" in refused.stderr
    assert machine.output("ls /tmp") == machine.output("ls /tmp --ignore=none")


def test_the_pages_that_its_manual_pages_name_exist(installed: Machine) -> None:
    pages = installed.output("cat /usr/share/man/man?/calc*")
    named = set(re.findall(r"(?m)^\.Xr (\S+) (\d)", pages))
    assert named >= {("calcd", "8"), ("calcd-protocol", "7"), ("journalctl", "1"), ("tcp", "7")}
    found = [installed.run(f"man -w {number} {name}", check=False).stdout for name, number in named]
    assert "" not in found
