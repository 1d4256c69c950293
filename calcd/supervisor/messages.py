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
    "new connections wait: {call} failed: {error} (times: {pauses}); open ones are served, and calcd tries "
    "again ten times a second. {remedy}",
)
CUT_OFF = Message(
    "8ec3952afe1b433d8b4ef444e7812fc2",
    syslog.LOG_NOTICE,
    "connection {session} from {peer} cut off after {duration} s: {ending}; requests: {requests}, bytes in: "
    "{received}, bytes out: {sent}",
)
STRANGER = Message(
    "83d9d956117543b086dd5965d5cf9d74",
    syslog.LOG_NOTICE,
    "connection {session} from {peer} closed after {duration} s: it does not speak calcd's protocol, it sent "
    "{frame}, which looks like {looks_like}",
)
FULL = Message(
    "5a3884e21b8b4d3b9f3a56ebfcc00bb5",
    syslog.LOG_WARNING,
    "{setting} is reached: new connections wait until others end. If the machine can bear more, raise it, "
    "and TasksMax= in the unit with it",
)
NO_LONGER_FULL = Message(
    "7f904878f19e44b89c8f9f27c83f0114",
    syslog.LOG_NOTICE,
    "{setting} is no longer reached, after {duration} s: connections that were accepted meanwhile, as others "
    "ended: {affected}",
)
SOURCE_REFUSED = Message(
    "4cf2c6fd4e524c7da2e497bd7c86a2bc",
    syslog.LOG_WARNING,
    "{source} has reached {setting}: its further connections are closed at once. If they are welcome, raise "
    "it, or name {source} in ExemptSources=",
)
SOURCE_ADMITTED = Message(
    "c21c40e92dbc4bbc91dd477368be3c96",
    syslog.LOG_NOTICE,
    "{source} keeps to {setting} again, after {duration} s: connections refused: {affected}",
)
TOO_FEW = Message(
    "8bf4d545203b48f3880f7fa415d5e256",
    syslog.LOG_WARNING,
    "MaxConnections={wanted} takes {processes} processes, and {limit} allows {allowed}: beyond that, new "
    "connections wait although the limit is not reached. {remedy}",
)
LISTENER_DIED = Message(
    "6fbcdc766b394f89b2b093cd90f121a1",
    syslog.LOG_ERR,
    "the listener {listener} died: {status}; what is connected stays connected, what queues will be served "
    "by {successor}",
)
LISTENER_FAILED = Message(
    "93e018c9c8214f2c8d17ecbc96b688d4",
    syslog.LOG_ERR,
    "no new listener: {reason}; nobody accepts connections, the next try is in {delay} s",
)
COUNTERS = Message(
    "2e939f4cba7b4a93909c35bdc83c6e80",
    syslog.LOG_NOTICE,
    "since {since}: connections now: {connections}, served: {served}, requests answered: {requests}, errors: "
    "{errors}, cut off: {cut_off}, strangers: {strangers}, refused: {refused}, limits reached: "
    "{limits_reached}, bytes in: {received}, bytes out: {sent}, reloads: {reloads}, listeners lost: "
    "{listeners_lost}",
)
