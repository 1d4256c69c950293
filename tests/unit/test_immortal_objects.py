"""Objects to which counting the references does not write."""

import subprocess
import sys
import sysconfig

OFFERS = sys.version_info >= (3, 12) and not sysconfig.get_config_var("Py_GIL_DISABLED")

PROGRAM = """
import sys, weakref
from calcd.linux import immortal_objects

class Thing:
    "What the collector knows, with what only refers to it."
    __slots__ = ("__weakref__", "number", "text")

    def __init__(self):
        self.number = int("1" + "0" * 30)
        self.text = "a text of its own".replace("its", "my")

    def method(self):
        return 1.25

thing = Thing()
alive = [
    *(thing, thing.number, thing.text, Thing, Thing.__dict__["method"], Thing.__dict__["number"]),
    *(Thing.method.__code__, Thing.method.__code__.co_consts, sys.modules, str.__dict__["join"]),
]

def is_counted(thing):
    before = sys.getrefcount(thing)
    references = [thing] * 100
    return sys.getrefcount(thing) != before

assert all(map(is_counted, alive)) or sys.version_info >= (3, 12)
offered = immortal_objects.are_offered()
immortal_objects.mark()
assert [is_counted(thing) for thing in alive] == [not offered] * len(alive), alive

new = Thing()
assert is_counted(new) and is_counted(new.number)
dead = weakref.ref(new)
del new
assert dead() is None
alive.append({})
alive.clear()
print(offered)
"""


def run(*options: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-W", "error", *options, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (ended.stderr, ended.returncode) == ("", 0)
    return ended.stdout


def test_what_is_alive_is_not_counted_where_python_offers_it_and_what_comes_later_is() -> None:
    assert run() == f"{OFFERS}\n"


def test_a_process_with_immortal_objects_ends_in_order() -> None:
    assert run("-X", "dev") == f"{OFFERS}\n"
