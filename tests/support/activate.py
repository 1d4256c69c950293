"""Runs a command in its own place as systemd (258) runs a service with sockets: sd_listen_fds(3).

    activate.py FDS NAMES COMMAND...

FDS are the open file descriptors to pass, with commas; NAMES is $LISTEN_FDNAMES.
"""

import fcntl
import os
import sys

_FIRST = 3  # SD_LISTEN_FDS_START


def main() -> None:
    fds, names, *command = sys.argv[1:]
    passed = [int(fd) for fd in fds.split(",")]
    # Out of the way first: one may have the number that another is to get.
    copies = [fcntl.fcntl(fd, fcntl.F_DUPFD, _FIRST + len(passed)) for fd in passed]
    for number, copy in enumerate(copies, _FIRST):
        os.dup2(copy, number)
    os.closerange(_FIRST + len(passed), max(*copies, *passed) + 1)
    pid = os.getpid()
    os.environ |= {
        "LISTEN_PID": str(pid),
        # A PID may be another process's later, and this number never.
        "LISTEN_PIDFDID": str(os.fstat(os.pidfd_open(pid)).st_ino),
        "LISTEN_FDS": str(len(passed)),
        "LISTEN_FDNAMES": names,
    }
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
