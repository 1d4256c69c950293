"""Colours, where somebody sees them: https://no-color.org and https://bixense.com/clicolors."""

import os

BOLD, RED = 1, 31  # console_codes(4)


def painted(text: str, rendition: int, descriptor: int) -> str:
    """The text as it is to be written to the file descriptor."""
    return f"\x1b[{rendition}m{text}\x1b[0m" if text and _is_wanted(descriptor) else text


def _is_wanted(descriptor: int) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    is_able = os.environ.get("TERM", "dumb") != "dumb" and os.isatty(descriptor)
    return is_able and os.environ.get("CLICOLOR") != "0"
