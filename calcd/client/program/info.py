"""calc-client info: what the server tells of itself."""

from calcd.client.errors import ErrorReplyError
from calcd.client.program.commands import Commands


def information(server: str | None, timeout: float, section: str) -> str:
    """Returns the lines of INFO, of one section if it is not "". Raises as Commands, and ErrorReplyError for
    a section that there is not."""
    commands = Commands(server, timeout)
    try:
        text = commands.ask("INFO", *([section] if section else []))
        if text.strip():
            return text
        sections = [line[2:].lower() for line in commands.ask("INFO").split("\n") if line.startswith("# ")]
        raise ErrorReplyError(f"there is no section {section!r}: there are {', '.join(sections)}")
    finally:
        commands.close()
