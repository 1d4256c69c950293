"""The last words of a process that ends by a defect."""

from __future__ import annotations

from os import write


def print_traceback(error: BaseException | None) -> None:
    """Prints a traceback as Python does, but without source lines: a handler may not open the files."""
    lines = ["Traceback (most recent call last):"]
    at = error.__traceback__ if error else None
    while at:
        code = at.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {at.tb_lineno}, in {code.co_qualname}')
        at = at.tb_next
    lines.append(f"{type(error).__name__}: {error}\n")
    write(2, "\n".join(lines).encode(errors="backslashreplace"))
