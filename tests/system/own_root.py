"""Runs a command in a mount namespace whose root is the root directory of the caller: own_root.py COMMAND...

For tests that run in a chroot: nspawn works only where / is a mount point, and no process in a chroot may
make a user namespace (user_namespaces(7), EPERM), as PrivateUsers= in a unit does. Elsewhere it changes
nothing but the namespace.
"""

import ctypes
import os
import sys

CLONE_NEWNS = 0x00020000  # unshare(2), setns(2)
MS_BIND, MS_REC, MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18  # mount(2)

_libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def main() -> None:
    call("unshare", CLONE_NEWNS)
    root = os.open("/", os.O_PATH)
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    # It is our own one already, but to enter it is to be at its root: out of the chroot.
    call("setns", namespace, CLONE_NEWNS)
    call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    os.fchdir(root)
    if not os.path.samestat(os.stat("."), os.stat("/")):
        call("mount", b".", b"/", None, MS_BIND | MS_REC, None)
        call("setns", namespace, CLONE_NEWNS)  # to the root that is the topmost now
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
