"""The table of all messages that calcd logs while it runs, one row for each kind of message.

The fields of a message go to the journal as CALCD_NAME=, beside its text. Its id goes there as MESSAGE_ID=. A
script finds all messages of a kind by it, whatever their wording: journalctl MESSAGE_ID=...

The table also has the explanations that journalctl -x shows. packaging/generate.py makes the journal's
catalog of them.
"""

import syslog
from typing import NamedTuple


class Message(NamedTuple):
    id: str
    priority: int
    text: str  # for str.format; each {name} is a field
    # The explanation for readers of the journal. A name in braces is a field of the text. A newline ends a
    # paragraph. A paragraph that begins with a dash is an item of a list.
    subject: str
    meaning: str  # what has happened, and the likely cause
    remedy: str  # what to do


STARTED = Message(
    "e89021b31f124d2aa5d5342ca0ec06fc",
    syslog.LOG_NOTICE,
    "calcd {version} serves on {listen}",
    subject="calcd has started",
    meaning="The start is complete. Clients that connect to {listen} are answered.",
    remedy='Nothing needs to be done. "calc-client add 2 3" asks a first question. Where systemd '
    'passes the sockets, "systemctl edit calcd.socket" sets other addresses; elsewhere '
    "Listen= in calcd.conf(5) does.",
)
STAYS_ROOT = Message(
    "46dd8c53440843bca80dceac4ceffc21",
    syslog.LOG_WARNING,
    "calcd stays root, because it was started as root without User=: give it a user of its own with User=, "
    "or say User=root if it has to be root",
    subject="calcd runs as root",
    meaning="calcd was started as root, and no setting names another user. It needs none of root's rights "
    "once it serves. A defect in calcd could give all of them to anybody who can connect.",
    remedy="Set User= in calcd.conf(5) to a user that owns nothing else and restart calcd; User=root says "
    "that it is meant to stay root. The unit that comes with calcd starts it as the user calcd.",
)
UNCONFINED = Message(
    "963fd6301ce34c1eb1513fd159236e1e",
    syslog.LOG_WARNING,
    "listener and handlers may make any system call, because {missing}: {remedy}",
    subject="calcd serves without its seccomp filters",
    meaning="With its seccomp filters, the kernel kills a handler that does more than read, compute, write "
    "and exit. They are not in force, because {missing}. Everything else works, with all the protection that "
    "the unit gives.",
    remedy="To have the filters: {remedy}. Then reload calcd, and look whether this line comes again.",
)
LESS_CONFINED = Message(
    "d2b4dd076fc44da5a67476861a0f5476",
    syslog.LOG_WARNING,
    "handlers are not killed for system calls that are no part of their work, which fail instead: they would "
    "die of one that is not on their list: {call}. Most likely a library makes it that is in "
    "/etc/ld.so.preload: without it, handlers have their filter again",
    subject="calcd's handlers serve without a seccomp filter of their own",
    meaning="The filter that has the kernel kill a handler which does more than read, compute, write and "
    "exit is not in force: when calcd tried it, it killed a handler at its ordinary work, for this system "
    "call: {call}. The listener's filter holds for handlers as well, and has what is not on its longer list "
    "fail. Everything else works.",
    remedy="See which library makes the call, most likely one that /etc/ld.so.preload names for all "
    "programs: an allocator, a tracer, or one that changes the time. Take it out, restart calcd, and look "
    "whether this line comes again. If there is none, please report it: calcd or a library of the system has "
    "changed.",
)
NO_IMMORTAL_OBJECTS = Message(
    "4289825da8c3441599770bb63482b39e",
    syslog.LOG_DEBUG,
    "handlers copy more memory than they need to: Python {version} counts the references to all objects",
    subject="calcd's handlers take more memory than with a newer Python",
    meaning="From version 3.12 on, Python can leave the count of an object alone, and so a handler does not "
    "copy the memory around it. This one, {version}, cannot, or does it in a way that calcd does not know.",
    remedy="Nothing needs to be done. With a newer Python, a handler starts faster and takes less memory.",
)
STOPPING = Message(
    "2a6d88870dfb4804a0732a2c08413232",
    syslog.LOG_NOTICE,
    "stopping: connections open: {connections}, time for them to end: {drain_time}",
    subject="calcd has been told to stop",
    meaning='calcd has received SIGTERM or SIGINT, most likely by "systemctl stop", by "systemctl '
    'restart", or because the system goes down. It answers what has been asked, closes its '
    "connections, and ends. Connections open at this time: {connections}.",
    remedy="Nothing needs to be done. What is not closed within {drain_time} is cut off; DrainTime= "
    "in calcd.conf(5) sets that time.",
)
ABORTING = Message(
    "093b8eaf6fbc4e1aa1ac8cc88c991950",
    syslog.LOG_WARNING,
    "stopping at once, {reason}: connections cut off: {connections}",
    subject="calcd has stopped without waiting for its connections",
    meaning="Connections that were still open have been cut off, and may lack their last answers. "
    "Their number: {connections}. Either calcd was told to stop a second time, or DrainTime= was over and "
    "the listener had not ended the connections, as it should have.",
    remedy="If somebody is in the habit of stopping calcd twice: once is enough. If the time was "
    "over: the machine is very busy, or the listener was stopped (SIGSTOP) or is stuck, which"
    " is a defect.",
)
STOPPED = Message(
    "86cda8144572479d8396c6e7a7f05653",
    syslog.LOG_NOTICE,
    "stopped: connections served: {served}, requests answered: {requests}",
    subject="calcd has stopped",
    meaning="All connections have ended, and so has calcd. Since its start it has served {served} of "
    "them; requests answered: {requests}.",
    remedy='Nothing needs to be done. "systemctl start calcd" starts it again, and so does the next '
    "connection where calcd.socket is active.",
)
RELOADED = Message(
    "cfe299e5f54a49e0a04331a31cb8d44f",
    syslog.LOG_NOTICE,
    "reloaded: serves on {listen}",
    subject="calcd has reloaded its configuration",
    meaning="The settings of the configuration are in force for new connections, on {listen}. "
    "Connections that were open already keep the old settings.",
    remedy='Nothing needs to be done. "calcd --dump-config" prints the settings.',
)
RELOAD_FAILED = Message(
    "3707dcf5de6143b0a1e77394a7cc20dc",
    syslog.LOG_ERR,
    "reload failed, the old settings stay in force: {reason}",
    subject="calcd could not reload its configuration",
    meaning="The new settings cannot be used: {reason}",
    remedy="calcd serves on with the old settings, so no client is disturbed, but a restart would "
    'fail. Correct the configuration, check it with "calcd --check", and run "systemctl reload '
    'calcd" again.',
)
UPGRADED = Message(
    "24eece3778a64df3aa2b4720b4a1919f",
    syslog.LOG_NOTICE,
    "upgraded from calcd {before} to {version}: serves on {listen}; connections that go on: {connections}",
    subject="calcd goes on as another version",
    meaning="The process of calcd {before} goes on as calcd {version}, with the same PID, and has read the "
    "configuration again. It serves on {listen}. The {connections} connections that were open go on "
    "under the code and the settings that they were accepted with.",
    remedy="Nothing needs to be done.",
)
UPGRADE_FAILED = Message(
    "ad90c62763494528bad74040ba266da4",
    syslog.LOG_ERR,
    "upgrade failed: {reason}",
    subject="calcd could not go on as the installed version",
    meaning="calcd was to go on as the installed code, which failed: {reason}. Clients are served as before.",
    remedy='Put right what the reason names; "calcd --check" tries the configuration. Then run '
    '"calcd --upgrade" again, or restart calcd, which closes the open connections.',
)
NEEDS_RESTART = Message(
    "ef604bdad98743b9a1f1f5b6866b7a2c",
    syslog.LOG_WARNING,
    "{setting}= has changed, which a reload does not put in force: restart calcd for it",
    subject="A changed setting is not in force yet",
    meaning="{setting}= has another value in the configuration than when calcd was started. calcd uses "
    "this setting only when it starts.",
    remedy='Restart calcd when it suits: "systemctl restart calcd". With calcd.socket active, '
    "clients that connect meanwhile wait and are answered; no connection is refused.",
)
CONNECTION_OPENED = Message(
    "5eb62edd4174454783f0f4a92764fdac",
    syslog.LOG_INFO,
    "connection {session} from {peer} opened, handler {handler}",
    subject="A client has connected",
    meaning="{peer} has connected, and is served by a process of its own, the handler {handler}; "
    'ps(1) shows it as "calcd: serving {peer}".',
    remedy='Nothing needs to be done. "journalctl -u calcd CALCD_SESSION={session}" shows how '
    "connection {session} went on; the numbers begin anew when calcd starts. LogConnections= "
    "in calcd.conf(5) says which connections are logged.",
)
CONNECTION_ENDED = Message(
    "4f58f8ef078a4808aecd91eae066106a",
    syslog.LOG_INFO,
    "connection {session} from {peer} ended after {duration} s: {ending}; requests: {requests}, "
    "errors: {errors}, bytes in: {received}, bytes out: {sent}, protocol: {protocol}, error replies: "
    "{error_replies}",
    subject="A connection has ended",
    meaning="{peer} was connected for {duration} seconds. Requests answered: {requests}. How it "
    "ended: {ending}. A connection ends by one of these:\n"
    "- quit, closed by client: the client had no more to ask.\n"
    "- closed by calcd, which stops: it was idle, or had got its answers, when calcd was "
    "stopped.\n"
    "- truncated frame: the client closed in the middle of a request. It was killed, or sends"
    " something other than requests.\n"
    '- division by zero: the client asked for one. The classic protocol has no way to say "error", so'
    " that calcd closes the connection instead of sending a wrong number.\n"
    "- protocol error: the client sent what is no RESP, and was told so.\n"
    "- foreign protocol: all that the client sent is another protocol's.\n"
    "- not known: a handler of a newer calcd served it, and knows of an end that this one does not.\n"
    "- unknown operation: the client sent an operation other than 0 to 4. Most likely it "
    "speaks another protocol, or sends its numbers in another byte order.\n"
    "- connection lost: the client reset the connection before it had its answer, or the network failed.",
    remedy="After the first two of these, nothing needs to be done. After the others, look at the client's "
    "program; calcd-protocol(7) tells its author what calcd expects.",
)
HANDLER_DIED = Message(
    "5cdfe1e29d0a4cdd9c6a9cbf85c4c9be",
    syslog.LOG_WARNING,
    "connection {session} from {peer} ended after {duration} s: its handler {handler} died: {ending}; how "
    "many requests it had answered is not known",
    subject="The process that served a client has died",
    meaning="The handler {handler} of {peer} did not get to its end: {ending}. Somebody has killed "
    "it, the kernel has because memory was short, or calcd has a defect. Connections other "
    "than this one are not affected. A handler that outlives DrainTime= when calcd stops is "
    "killed as well, by calcd (SIGKILL).",
    remedy='After SIGKILL, look for the kernel\'s out-of-memory killer in "journalctl -k". After an '
    'exit status, a traceback stands nearby in "journalctl -u calcd": it belongs into a bug '
    "report.",
)
SPARE_DIED = Message(
    "6d5c4bf7a6f3497eaf0d4f3a39b5f54e",
    syslog.LOG_WARNING,
    "handler {handler} died while it waited for a connection: {status}; others serve",
    subject="A process that waited for a client has died",
    meaning="The handler {handler} had no connection, or one of a proxy that had not sent its header yet: no "
    "client had been answered. Somebody has killed it, the "
    "kernel has because memory was short, or calcd has a defect.",
    remedy='After SIGKILL, look for the kernel\'s out-of-memory killer in "journalctl -k". After an '
    'exit status, a traceback stands nearby in "journalctl -u calcd": it belongs into a bug '
    "report.",
)
HANDLER_STOPPED = Message(
    "8d78b6512bd246b9b604e6767d58fff0",
    syslog.LOG_ERR,
    "connection {session} from {peer} ended after {duration} s: its handler {handler} died: {ending}: it "
    "tried a system call that no handler may make, as one does that runs a preloaded library "
    "(/etc/ld.so.preload), has a defect, or was taken over. If it is not the first of these, please report "
    "it as SECURITY.md says, with the kernel's line that names the call, if there is one: journalctl -k -g "
    "sig=31, or ausearch -m SECCOMP",
    subject="A connection's process was killed for what it tried to do",
    meaning="Handler {handler}, which served {peer}, tried something that is no part of its work, and the "
    "kernel killed it ({ending}) before anything came of it. A library may be the cause that is preloaded, "
    "or was upgraded: at its start calcd tries what an ordinary connection takes, and not all that can "
    "happen. Or somebody has found a defect, and tries to use it.",
    remedy="See whether /etc/ld.so.preload names a library, and whether this line comes again without it. If "
    "there is none, please report it as SECURITY.md says, with this line and the kernel's that names the "
    'call, if there is one: "journalctl -k -g sig=31", or "ausearch -m SECCOMP". If it is an attack, it came '
    "from {peer}.",
)
REPORT_LOST = Message(
    "59b92c047d54430e8d30f5f94bdcc3e2",
    syslog.LOG_INFO,
    "connection {session} from {peer} ended after {duration} s; how is not known, because the listener died "
    "with the handler's report",
    subject="How a connection ended is not known",
    meaning="The connection of {peer} has ended, in all likelihood well. The listener had the report of how "
    "it ended, and died before it passed it on.",
    remedy="Nothing needs to be done for this connection. A line nearby says that the listener died; see "
    "the explanation there.",
)
TROUBLE = Message(
    "274dce9c1a8d49f1acddae377e1c5fe4",
    syslog.LOG_WARNING,
    "new connections wait: {call} failed: {error} (times: {times}); open ones are served, and calcd tries "
    "again ten times a second. {remedy}",
    subject="calcd cannot take new connections for now",
    meaning="The system has refused calcd what a new connection takes: {call}(2) failed, {error}. "
    "Most likely more clients are connected at the same time than the limits of the service, "
    "or the machine's memory, have room for.",
    remedy='{remedy} "systemctl status calcd" tells how many are connected and how many tasks there '
    "are. Until there is room, new clients wait, and none is refused.",
)
REQUESTS_WAIT = Message(
    "ab7991c8066645d29ea2a846f47107ea",
    syslog.LOG_WARNING,
    "who asks or reloads calcd waits: accept failed: {error}; clients are served, and calcd tries again once "
    "a second. {remedy}",
    subject="calcd cannot answer requests at its control socket for now",
    meaning="The system has refused calcd what it takes to answer calcd --reload, --upgrade, --status or "
    "--metrics: accept(2) failed, {error}. Whoever has asked waits. Clients are served all the same. Most "
    "likely more files are open than the limits of the service or of the machine allow, or memory is short.",
    remedy="{remedy} Whoever waits is answered once there is room.",
)
CUT_OFF = Message(
    "8ec3952afe1b433d8b4ef444e7812fc2",
    syslog.LOG_NOTICE,
    "connection {session} from {peer} cut off after {duration} s: {ending}; requests: {requests}, bytes in: "
    "{received}, bytes out: {sent}, protocol: {protocol}, error replies: {error_replies}",
    subject="calcd has ended a connection at one of its limits",
    meaning="{ending}, so calcd has ended the connection from {peer}: behind the last whole reply, or, at "
    "SendTimeout=, by a reset. Its client connected and said nothing, was silent for too long, did not read "
    "what it had asked for, or took more than one connection may.",
    remedy="Nothing needs to be done if the client connects again when it has something to ask. If it is a "
    "client of yours that is slow, raise the setting in calcd.conf(5) and reload. If there are many such "
    "lines from unknown clients, somebody tries to keep calcd busy: the limits are there for that.",
)
STRANGER = Message(
    "83d9d956117543b086dd5965d5cf9d74",
    syslog.LOG_NOTICE,
    "connection {session} from {peer} closed after {duration} s: it does not speak calcd's protocols, it "
    "sent {frame}, which looks like {looks_like}",
    subject="Somebody spoke another protocol to calcd",
    meaning="The first that {peer} sent, {frame}, is no request to calcd; it looks like {looks_like}. Most "
    "likely a program was given the wrong port, or somebody tries which services this machine has.",
    remedy="If {peer} is known, correct the address or the port it uses; calcd-protocol(7) has what calcd "
    "understands. If it is not, and should not reach calcd at all, a firewall or IPAddressAllow= of "
    "calcd.socket keeps it away.",
)
FULL = Message(
    "5a3884e21b8b4d3b9f3a56ebfcc00bb5",
    syslog.LOG_WARNING,
    "{setting} is reached: new connections wait until others end. If the machine can bear more, raise it, "
    "and what the system allows calcd of processes with it",
    subject="calcd serves as many connections as it may",
    meaning="{setting} is reached. Open connections are served as before. New ones wait in the kernel, and "
    "are served in turn as others end. None is refused unless the backlog is full too. Either there are more "
    "clients than the limit was made for, or they stay connected for longer.",
    remedy='"journalctl -u calcd" shows whose the connections are. If they are welcome and the machine has '
    'the memory, raise MaxConnections= in calcd.conf(5), and TasksMax= by "systemctl edit calcd.service"; '
    "if they stay without asking anything, lower IdleTimeout=.",
)
NO_LONGER_FULL = Message(
    "7f904878f19e44b89c8f9f27c83f0114",
    syslog.LOG_NOTICE,
    "{setting} is no longer reached, after {duration} s: connections that were accepted meanwhile, as others "
    "ended: {affected}",
    subject="calcd has room for new connections again",
    meaning="For {duration} seconds, {setting} was reached again and again. In that time, {affected} "
    "connections were accepted, as others ended. Since then, the limit was not reached for ten seconds, "
    "or calcd has stopped or reloaded, or its listener has died.",
    remedy="Nothing needs to be done if this is rare.",
)
SOURCE_REFUSED = Message(
    "4cf2c6fd4e524c7da2e497bd7c86a2bc",
    syslog.LOG_WARNING,
    "{source} has reached {setting}: its further connections are closed at once. If they are welcome, raise "
    "it, or name {source} in ExemptSources=",
    subject="A source of connections has reached its limit",
    meaning="{source} has more connections open, or makes them faster, than {setting} allows a single "
    "source. Its open connections are served. Each further one is closed as soon as it is accepted, without "
    "a process for it. The cause is a defective program, an attack, or many clients behind one address.",
    remedy="If it is a gateway or a machine of yours with many clients, name it in ExemptSources= of "
    "calcd.conf(5), or raise the limit, and reload. Else nothing needs to be done; a firewall saves even "
    "the little that a refused connection takes.",
)
SOURCE_ADMITTED = Message(
    "c21c40e92dbc4bbc91dd477368be3c96",
    syslog.LOG_NOTICE,
    "{source} keeps to {setting} again, after {duration} s: connections refused: {affected}",
    subject="A source of connections keeps to its limit again",
    meaning="In {duration} seconds, {affected} connections from {source} were closed at once, because of "
    "{setting}. Since then, none was for ten seconds, or calcd has stopped or reloaded.",
    remedy="Nothing needs to be done.",
)
UNTRUSTED_PROXY = Message(
    "5cb4b73e98b5403a87f498c85c541286",
    syslog.LOG_WARNING,
    "somebody at {source} connects to the proxied socket and is not in {setting}: closed at once. A proxy of "
    "yours has to be named there by its own address; a client has to connect to the proxy",
    subject="Somebody who is no proxy has connected where proxies do",
    meaning="On a proxied socket, the header that a connection begins with says who the client is. So only "
    "machines may connect there that calcd is told to believe: {setting}. Who has connected from {source} is "
    "none of them: the connection is closed before a byte is read. For IPv6 this is a network of 64 bits, in "
    "which others may be believed.",
    remedy="If it is a proxy of yours, name its address in ProxySources= of calcd.conf(5), not its whole "
    "network, and reload. If it is a client, give it the address of the proxy, or of a socket that is not "
    "proxied. If it is neither, a firewall or IPAddressAllow= of calcd-proxied.socket keeps it away.",
)
UNTRUSTED_PROXY_GONE = Message(
    "02ff74544623446f8e4561876679f9ae",
    syslog.LOG_NOTICE,
    "nobody at {source} who is not in {setting} connects to the proxied socket any more, after {duration} s: "
    "connections closed: {affected}",
    subject="Who is no proxy has stopped connecting where proxies do",
    meaning="In {duration} seconds, {affected} connections from {source} were closed at once, because who "
    "made them is not in {setting}. Since then, there was none for ten seconds, or calcd has stopped or "
    "reloaded.",
    remedy="Nothing needs to be done.",
)
HEADER_REFUSED = Message(
    "20f7f2a389004287b53b8533f7168223",
    syslog.LOG_WARNING,
    "connection of the proxy {proxy} closed: {reason}; what came first is {frame}. {remedy}",
    subject="A proxy's connection has been closed, because of its header",
    meaning="A connection to a proxied socket begins with a header of the PROXY protocol, version 1 or 2, "
    "which says who the client is. {proxy} may connect there, and {reason}. What came first is {frame}. "
    "calcd never guesses whether there is a header, and closes the connection: else it would take the "
    "proxy's bytes for a client's, or the other way round.",
    remedy="{remedy}. The proxy's settings and the socket have to agree: a header is due on a proxied socket "
    "(Listen=proxied:ADDRESS, or calcd-proxied.socket), always, and on no other.",
)
PROXY_CHECKED = Message(
    "2a7dc615cfa64a5ea3faaed2cdf1091f",
    syslog.LOG_DEBUG,
    "check {session} of the proxy {proxy} ended after {duration} s: {ending}; requests: {requests}, bytes "
    "in: {received}, bytes out: {sent}, protocol: {protocol}",
    subject="A proxy has looked whether calcd is well",
    meaning="{proxy} has connected for itself, and not for a client: it sees whether calcd answers. Such "
    "connections are in no count but their own and that of all connections, and no limit of a source is for "
    "them. HAProxy also says so of clients of its Unix sockets, which have no address.",
    remedy="Nothing needs to be done.",
)
TOO_FEW = Message(
    "8bf4d545203b48f3880f7fa415d5e256",
    syslog.LOG_WARNING,
    "MaxConnections={wanted} takes {processes} processes, and {limit} allows {allowed}: beyond that, new "
    "connections wait although the limit is not reached. {remedy}",
    subject="The system allows calcd fewer processes than its settings take",
    meaning="Each connection is served by a process of its own, so MaxConnections={wanted} takes "
    "{processes} of them in all, and {limit} allows no more than {allowed}. At that number fork(2) fails, "
    "and new connections wait until others end.",
    remedy='{remedy} The unit is changed by "systemctl edit calcd.service".',
)
CLIENTS_GONE = Message(
    "a126c088b7a04598a85f22863c836c6b",
    syslog.LOG_NOTICE,
    "clients had left before they were accepted, or a firewall forbids them: {error} (times: {times})",
    subject="Clients were gone before calcd took them",
    meaning="{times} connections were gone before calcd could accept them: {error}. Most likely their "
    "clients gave up or reset them, or somebody scans ports. A firewall on this machine can cause the same "
    "error.",
    remedy="Nothing needs to be done if this is rare. If clients give up because they wait for long, look "
    'whether "systemctl status calcd" says that a limit is reached.',
)
LISTENER_DIED = Message(
    "6fbcdc766b394f89b2b093cd90f121a1",
    syslog.LOG_ERR,
    "the listener {listener} died: {status}; what is connected stays connected, what queues will be served "
    "by {successor}",
    subject="The process that accepts connections has died",
    meaning="The listener {listener} has ended although nobody had told it to: {status}. Somebody has"
    " killed it, the kernel has because memory was short, or calcd has a defect. Another one "
    "takes its place. Open connections stay open, and new ones wait meanwhile.",
    remedy="If it happened once, nothing needs to be done. After SIGKILL, look for the kernel's "
    'out-of-memory killer in "journalctl -k". After an exit status, a traceback stands nearby'
    ' in "journalctl -u calcd": it belongs into a bug report.',
)
NOT_KNOWN = Message(
    "2eff164fac3348cca11caba2866c21d5",
    syslog.LOG_NOTICE,
    "the listener {listener} is of another version of calcd and tells what this one does not know: kind "
    "{kind}; it is left out of the counters",
    subject="A listener of another version tells what calcd does not know",
    meaning="calcd has gone on as an older version while the listener {listener} still serves connections "
    "that the newer one has accepted. It tells of something that only the newer one knows, of kind {kind}. "
    "The connections are served all the same.",
    remedy="Nothing needs to be done. It is over when these connections have ended.",
)
LISTENER_HANGS = Message(
    "2e92be2a22a7498e8c9159a3c1a2de7c",
    syslog.LOG_ERR,
    "the listener {listener} has not answered for {time}, and is killed: was it stopped, or is the machine "
    "out of memory?",
    subject="calcd replaces a listener that does not answer",
    meaning="The process that accepts connections, {listener}, has not answered its supervisor for "
    "{time}. It is killed, and another one takes over. Open connections stay open, and connections that wait "
    "will be served. Somebody has stopped the process (SIGSTOP, a debugger), the machine was out of memory "
    "or far too busy, or the process is stuck, which is a defect.",
    remedy="Look at what else happened on the machine at that time. If it comes again without a reason, "
    "please report it.",
)
LISTENER_FAILED = Message(
    "93e018c9c8214f2c8d17ecbc96b688d4",
    syslog.LOG_ERR,
    "no new listener: {reason}; nobody accepts connections, the next try is in {delay} s",
    subject="calcd cannot replace the process that accepts connections",
    meaning="The listener has died, and no other one could be started: {reason}. Connections that are"
    " open go on, but nobody accepts new ones; calcd tries again in {delay} seconds. Most "
    "likely the machine is out of memory or processes, or the installed program is damaged, "
    "perhaps in the middle of an upgrade.",
    remedy='See that the installation is whole ("calc-client --version" and "calcd --check" must '
    'work), and that there is memory and TasksMax= of the service is not reached ("systemctl '
    'status calcd"). calcd recovers by itself.',
)
FILE_GONE = Message(
    "0bd483624885477c983c2cfee3ab986c",
    syslog.LOG_WARNING,
    "{path} has been removed or replaced: calcd --reload, and who reads it, cannot find this calcd, PID "
    "{pid}; kill -HUP does, and a restart makes it anew",
    subject="A file of calcd's is gone",
    meaning="{path} does not exist any more, or is another file. calcd serves on. Programs that find calcd "
    "by this file do not find it (calcd --reload, systemctl reload, scripts), and a second calcd could be "
    "started with another address. Somebody has removed the file, or cleaned /run.",
    remedy="Restart calcd when it suits: this makes the file again. Until then, kill -HUP {pid} reloads "
    "calcd, and kill {pid} stops it.",
)
LOG_LOST = Message(
    "ae1bb90836bd47799a8bbac8a3d0620e",
    syslog.LOG_WARNING,
    "messages lost: {lost}, because the log took none for too long; the counters (kill -USR1) are complete",
    subject="Lines of calcd's log are missing here",
    meaning="The log took no message for so long that {lost} messages were lost. calcd keeps ten thousand "
    "of them, and never makes a client wait for the log. journald, or whatever reads the log, stood still "
    "or was too slow.",
    remedy='See what held up the log: "systemctl status systemd-journald", a full disk, or a busy machine. '
    "LogConnections=errors in calcd.conf(5) makes fewer lines.",
)
COUNTERS = Message(
    "2e939f4cba7b4a93909c35bdc83c6e80",
    syslog.LOG_NOTICE,
    "since {since}: connections now: {connections}, served: {served}, requests answered: {requests}, errors: "
    "{errors}, cut off: {cut_off}, strangers: {strangers}, probes: {probes}, refused: {refused}, "
    "limits reached: {limits_reached}, bytes in: {received}, bytes out: {sent}, reloads: {reloads}, "
    "listeners lost: {listeners_lost}, checks of proxies: {checks}, headers of proxies refused: "
    "{headers_refused}",
    subject="The sums of what calcd has done",
    meaning="Somebody has asked for the counters, by SIGUSR1. All but the connections open now "
    "({connections}) are sums since calcd was started, at {since}: connections served that have ended "
    "({served}), those of them that did not end well ({errors}), those that calcd ended at a limit or a "
    "deadline ({cut_off}), those that spoke no protocol of calcd's ({strangers}), those that their "
    "clients ended before they sent a byte, as health checks do ({probes}), requests answered ({requests}), "
    "bytes received ({received}) and sent ({sent}), connections closed at once because of a limit of their "
    "source or of ProxySources= ({refused}), times that a limit was reached ({limits_reached}), reloads "
    "({reloads}), listeners, the processes that accept connections, that have died and were replaced "
    "({listeners_lost}), and, where there is a proxied socket, checks of the proxies themselves ({checks}), "
    "which are no part of the other sums, and connections of proxies whose header was refused "
    "({headers_refused}).",
    remedy="Nothing needs to be done. If there are many errors or lost listeners, each has a line in the "
    "journal, with an explanation.",
)
