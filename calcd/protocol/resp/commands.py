"""The commands that calcd knows, each once.

COMMAND, COMMAND DOCS, HELP and the manual page are made of this table.
"""

from __future__ import annotations

from calcd.protocol.resp import calculation, connection, descriptions, server, transactions
from calcd.protocol.resp.command import Argument, Command
from calcd.protocol.resp.errors import CommandError, shown, wrong_number
from calcd.protocol.resp.replies import array, bulk, integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calcd.protocol.resp.client import Client
    from calcd.protocol.resp.command import Run


class UnknownCommandError(CommandError):
    """Nobody knows the command."""


def find(words: list[bytes]) -> Command:
    """The command, or the subcommand, that the words are for. Raises CommandError."""
    name = words[0]
    command = COMMANDS.get(name) or COMMANDS.get(name.lower())
    if command is None:
        raise UnknownCommandError(_unknown(words))
    if command.subcommands and len(words) > 1:
        subcommand = command.subcommands.get(words[1].lower())
        if subcommand is None:
            container = command.name.upper()
            raise CommandError(f"ERR unknown subcommand '{shown(words[1])}'. Try {container} HELP.")
        command = subcommand
    if not command.takes(len(words)):
        raise wrong_number(command.name)
    return command


def _unknown(words: list[bytes]) -> str:
    """As in Redis: 128 bytes of the name, and as many of all arguments."""
    arguments = ""
    for word in words[1:]:
        if len(arguments) >= 128:
            break
        arguments += f"'{shown(word, 128 - len(arguments))}' "
    return f"ERR unknown command '{shown(words[0])}', with args beginning with: {arguments}"


# --- The commands about commands


def _command(client: Client, _words: list[bytes]) -> bytes:
    return array([descriptions.entry(each, client.version) for each in COMMANDS.values()])


def _count(_client: Client, _words: list[bytes]) -> bytes:
    return integer(len(COMMANDS))


def _info(client: Client, words: list[bytes]) -> bytes:
    if len(words) == 2:
        return _command(client, words)
    return array([descriptions.entry(_named(word), client.version) for word in words[2:]])


def _docs(client: Client, words: list[bytes]) -> bytes:
    wanted = [_named(word) for word in words[2:]] if len(words) > 2 else COMMANDS.values()
    return descriptions.docs([each for each in wanted if each], client.version)


def _list(_client: Client, words: list[bytes]) -> bytes:
    if len(words) > 2:
        raise CommandError("ERR syntax error")
    return array([bulk(name) for name in COMMANDS])


def _named(word: bytes) -> Command | None:
    """The command of a full name: "client", or "client|id"."""
    name, _, subcommand = word.lower().partition(b"|")
    command = COMMANDS.get(name)
    return command.subcommands.get(subcommand) if command and subcommand else command


def _help(_client: Client, words: list[bytes]) -> bytes:
    if len(words) == 1:
        return descriptions.usages(COMMANDS.values())
    command = _named(words[1])
    if command is None or len(words) > 2:
        raise CommandError("ERR HELP takes the name of one command, or nothing")
    return descriptions.usages([command])


def _help_of(name: bytes) -> Run:
    return lambda _client, _words: descriptions.usages([COMMANDS[name]])


# --- The table

_NUMBER = Argument("number", "integer")
_NUMBERS = Argument("number", "integer", is_multiple=True)
_NAMES = Argument("command-name", is_optional=True, is_multiple=True)
_USERNAME = Argument("username", is_optional=True)
_PASSWORD = Argument("password")
_SECTIONS = Argument("section", is_optional=True, is_multiple=True)
_SETNAME = Argument("clientname", keyword="SETNAME", is_optional=True)
_AUTH = Argument(
    "auth", "block", keyword="AUTH", is_optional=True, arguments=(Argument("username"), _PASSWORD)
)
_HELLO = Argument(
    "arguments", "block", is_optional=True, arguments=(Argument("protover", "integer"), _AUTH, _SETNAME)
)
_LIBRARY = (Argument("attribute"), Argument("value"))


def _describes_itself(name: str) -> Command:
    return Command(f"{name}|help", 2, _help_of(name.encode()), "Lists the subcommands.", group="server")


_ROWS = (
    Command(
        *("add", -3, calculation.add, "Adds integers, at most 64."),
        group="calculator",
        arguments=(_NUMBER, _NUMBERS),
    ),
    Command(
        *("sub", 3, calculation.subtract, "Subtracts the second integer from the first."),
        group="calculator",
        arguments=(_NUMBER, _NUMBER),
    ),
    Command(
        *("mul", -3, calculation.multiply, "Multiplies integers, at most 64."),
        group="calculator",
        arguments=(_NUMBER, _NUMBERS),
    ),
    Command(
        *("div", 3, calculation.divide, "Divides the first integer by the second, truncating toward zero."),
        group="calculator",
        arguments=(_NUMBER, _NUMBER),
    ),
    Command(
        *("ping", -1, connection.ping, "Replies PONG, or the message."),
        arguments=(Argument("message", is_optional=True),),
    ),
    Command("echo", 2, connection.echo, "Replies the message.", arguments=(Argument("message"),)),
    Command(
        *("hello", -1, connection.hello, "Chooses RESP 2 or 3, and says what calcd is."),
        arguments=(_HELLO,),
    ),
    Command(
        *("auth", -2, connection.auth, "Is an error but for the user default: calcd has no passwords."),
        arguments=(_USERNAME, _PASSWORD),
    ),
    Command(
        *("select", 2, connection.select, "Chooses database 0, the only one."),
        arguments=(Argument("index", "integer"),),
    ),
    Command(
        *("reset", 1, connection.reset, "Begins anew: RESP 2, no name, no transaction."), is_immediate=True
    ),
    Command("quit", -1, connection.quit_, "Ends the connection.", is_immediate=True),
    Command(
        *("client", -2, _help_of(b"client"), "Names the connection and its client."),
        subcommands=(
            Command("client|id", 2, connection.client_id, "Replies the connection's number."),
            Command("client|getname", 2, connection.client_getname, "Replies the connection's name."),
            Command(
                *("client|setname", 3, connection.client_setname, "Names the connection."),
                arguments=(Argument("connection-name"),),
            ),
            Command(
                *("client|setinfo", 4, connection.client_setinfo, "Sets LIB-NAME or LIB-VER of the client."),
                arguments=_LIBRARY,
            ),
            Command("client|info", 2, connection.client_info, "Replies what is known of the connection."),
            _describes_itself("client"),
        ),
    ),
    Command(
        *("multi", 1, transactions.multi, "Begins a transaction: the commands that follow wait for EXEC."),
        group="transactions",
        is_immediate=True,
    ),
    Command(
        *("exec", 1, transactions.execute, "Runs the commands of the transaction."),
        group="transactions",
        is_immediate=True,
    ),
    Command(
        *("discard", 1, transactions.discard, "Drops the commands of the transaction."),
        group="transactions",
        is_immediate=True,
    ),
    Command(
        *("watch", -2, transactions.watch, "Does nothing: calcd has no keys that could change."),
        group="transactions",
        arguments=(Argument("key", is_multiple=True),),
        is_immediate=True,
    ),
    Command("unwatch", 1, transactions.unwatch, "Does nothing, as WATCH.", group="transactions"),
    Command(
        *("info", -1, server.info, "Replies what calcd counts, in all sections or some."),
        group="server",
        arguments=(_SECTIONS,),
    ),
    Command(
        *("config", -2, _help_of(b"config"), "Replies settings that clients of Redis ask for."),
        group="server",
        subcommands=(
            Command(
                *("config|get", -3, server.config_get, "Replies save, appendonly or databases."),
                group="server",
                arguments=(Argument("parameter", is_multiple=True),),
            ),
            _describes_itself("config"),
        ),
    ),
    Command(
        *("command", -1, _command, "Describes all commands for clients."),
        group="server",
        subcommands=(
            Command("command|count", 2, _count, "Replies how many commands there are.", group="server"),
            Command(
                *("command|info", -2, _info, "Describes commands for clients."),
                group="server",
                arguments=(_NAMES,),
            ),
            Command(
                *("command|docs", -2, _docs, "Documents commands for people."),
                group="server",
                arguments=(_NAMES,),
            ),
            Command("command|list", -2, _list, "Replies the names of all commands.", group="server"),
            _describes_itself("command"),
        ),
    ),
    Command(
        *("help", -1, _help, "Lists the commands, for people."),
        group="server",
        arguments=(Argument("command-name", is_optional=True),),
    ),
)
COMMANDS = {row.name.encode(): row for row in _ROWS}
