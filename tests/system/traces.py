"""What may be left behind in a machine: everything but what a system writes by itself, and the copies that
the tools of the user database keep."""

_OTHERS = (
    *("/proc", "/sys", "/dev", "/tmp", "/src", "/root", "/run/systemd", "/run/udev", "/var/lib/systemd"),
    *("/var/log", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/.pwd.lock"),
)
# A calcd that systemd does not start makes the folder of its pidfile itself, and does not remove it.
BY_HAND = (
    "systemctl stop calcd.socket && calcd && calc-client add 2 3 && kill $(cat /run/calcd/calcd.pid) && "
    "until [ ! -e /run/calcd/calcd.pid ]; do sleep .01; done; ls -d /run/calcd"
)
USERS = "cat /etc/passwd /etc/group /etc/shadow /etc/gshadow"


def listing(*others: str) -> str:
    """The command that lists all files with their modes, owners and targets; others are left out as well."""
    paths = " -o -path ".join((*_OTHERS, *others))
    return f"find / -xdev '(' -path {paths} ')' -prune -o -printf '%M %u %g %p %l\\n' | sort"
