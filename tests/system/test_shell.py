"""calcd started by hand, where a syslog daemon (here: journald's) listens on /dev/log."""

from system.machine import Machine

OPTIONS = "--listen 127.0.0.1:7099 --pidfile /run/by-hand.pid"


def test_a_daemon_that_systemd_did_not_start_logs_to_syslog(installed: Machine) -> None:
    installed.run(f"calcd {OPTIONS}")
    pid = installed.output("cat /run/by-hand.pid")
    assert installed.output("calc-client --server 127.0.0.1:7099 add 2 3") == "5"
    installed.run("kill $(cat /run/by-hand.pid)")
    installed.wait_for("! test -e /run/by-hand.pid")
    lines = installed.journal(f"SYSLOG_IDENTIFIER=calcd _PID={pid}")
    assert {line["_TRANSPORT"] for line in lines} == {"syslog"}
    begun = [line["MESSAGE"].split()[0] for line in lines]
    assert begun == ["calcd", "calcd", "connection", "connection", "stopping:", "stopped:"]
    assert lines[0]["MESSAGE"].startswith("calcd stays root, ")
    assert {line["SYSLOG_PID"] for line in lines} == {pid}


def test_a_plain_user_may_run_it_with_a_pidfile_of_its_own(installed: Machine) -> None:
    installed.run("install -d -o nobody /tmp/nobody")
    run = "setpriv --reuid=nobody --regid=nogroup --clear-groups"
    installed.run(f"{run} calcd --listen unix:/tmp/nobody/socket --pidfile /tmp/nobody/pid")
    assert installed.output("calc-client --server unix:/tmp/nobody/socket mul 6 7") == "42"
    assert set(installed.output("ps -o user= -C calcd").split()) == {"nobody"}
    installed.run("kill $(cat /tmp/nobody/pid)")
    installed.wait_for("! pgrep -u nobody")
    assert installed.output("ls -A /tmp/nobody") == ""
