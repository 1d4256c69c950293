"""Everything that calcd logs while it runs: one row for each kind of message.

A message's fields go to the journal as CALCD_NAME= beside its text, and its id as MESSAGE_ID=, by
which a script finds all of its kind, whatever the wording: journalctl MESSAGE_ID=...
"""

import syslog
from typing import NamedTuple


class Message(NamedTuple):
    id: str
    priority: int
    text: str  # for str.format; each {name} is a field


STARTED = Message(
    "e89021b31f124d2aa5d5342ca0ec06fc",
    syslog.LOG_NOTICE,
    "calcd {version} serves on {listen}",
)
STOPPING = Message(
    "2a6d88870dfb4804a0732a2c08413232",
    syslog.LOG_NOTICE,
    "stopping: connections open: {connections}, time for them to end: {drain_time}",
)
ABORTING = Message(
    "093b8eaf6fbc4e1aa1ac8cc88c991950",
    syslog.LOG_WARNING,
    "stopping at once, {reason}: connections cut off: {connections}",
)
STOPPED = Message(
    "86cda8144572479d8396c6e7a7f05653",
    syslog.LOG_NOTICE,
    "stopped: connections served: {served}, requests answered: {requests}",
)
RELOADED = Message(
    "cfe299e5f54a49e0a04331a31cb8d44f",
    syslog.LOG_NOTICE,
    "reloaded: serves on {listen}",
)
RELOAD_FAILED = Message(
    "3707dcf5de6143b0a1e77394a7cc20dc",
    syslog.LOG_ERR,
    "reload failed, the old settings stay in force: {reason}",
)
NEEDS_RESTART = Message(
    "ef604bdad98743b9a1f1f5b6866b7a2c",
    syslog.LOG_WARNING,
    "{setting}= has changed, which a reload does not put in force: restart calcd for it",
)
CONNECTION_OPENED = Message(
    "5eb62edd4174454783f0f4a92764fdac",
    syslog.LOG_INFO,
    "connection {session} from {peer} opened, handler {handler}",
)
CONNECTION_ENDED = Message(
    "4f58f8ef078a4808aecd91eae066106a",
    syslog.LOG_INFO,
    "connection {session} from {peer} ended after {duration} s: {ending}; requests: {requests}, "
    "errors: {errors}, bytes in: {received}, bytes out: {sent}",
)
HANDLER_DIED = Message(
    "5cdfe1e29d0a4cdd9c6a9cbf85c4c9be",
    syslog.LOG_WARNING,
    "connection {session} from {peer} ended after {duration} s: its handler {handler} died: {ending}; how "
    "many requests it had answered is not known",
)
REPORT_LOST = Message(
    "59b92c047d54430e8d30f5f94bdcc3e2",
    syslog.LOG_INFO,
    "connection {session} from {peer} ended after {duration} s; how is not known, because the listener died "
    "with the handler's report",
)
TROUBLE = Message(
    "274dce9c1a8d49f1acddae377e1c5fe4",
    syslog.LOG_WARNING,
    "new connections wait: {call} failed: {error} (times: {times}); open ones are served, and calcd tries "
    "again ten times a second. {remedy}",
)
CLIENTS_GONE = Message(
    "a126c088b7a04598a85f22863c836c6b",
    syslog.LOG_NOTICE,
    "clients had left before they were accepted, or a firewall forbids them: {error} (times: {times})",
)
LISTENER_DIED = Message(
    "6fbcdc766b394f89b2b093cd90f121a1",
    syslog.LOG_ERR,
    "the listener {listener} died: {status}; what is connected stays connected, what queues will be served "
    "by {successor}",
)
LISTENER_HANGS = Message(
    "2e92be2a22a7498e8c9159a3c1a2de7c",
    syslog.LOG_ERR,
    "the listener {listener} has not answered for {time}, and is killed: was it stopped, or is the machine "
    "out of memory?",
)
LISTENER_FAILED = Message(
    "93e018c9c8214f2c8d17ecbc96b688d4",
    syslog.LOG_ERR,
    "no new listener: {reason}; nobody accepts connections, the next try is in {delay} s",
)
FILE_GONE = Message(
    "0bd483624885477c983c2cfee3ab986c",
    syslog.LOG_WARNING,
    "{path} has been removed or replaced: calcd --reload, and who reads it, cannot find this calcd, PID "
    "{pid}; kill -HUP does, and a restart makes it anew",
)
LOG_LOST = Message(
    "ae1bb90836bd47799a8bbac8a3d0620e",
    syslog.LOG_WARNING,
    "messages lost: {lost}, because the log took none for too long; the counters (kill -USR1) are complete",
)
COUNTERS = Message(
    "2e939f4cba7b4a93909c35bdc83c6e80",
    syslog.LOG_NOTICE,
    "since {since}: connections now: {connections}, served: {served}, requests answered: {requests}, errors: "
    "{errors}, bytes in: {received}, bytes out: {sent}, reloads: {reloads}, listeners lost: {listeners_lost}",
)
