"""What the README's recording shows: calc-client on a terminal, with a calcd of its own.

The terminal is real, and so is everything on it; only the port is written as 7070.
"""

import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path

from support import calc_client
from support.daemon import TREE, Calcd
from support.terminal import Terminal

DRAWING = TREE / "docs" / "calc-client.svg"
COLUMNS = 72

# What is waited for, and what is typed then.
_SHELL, _PROMPT = "$ ", "calc> "
_KEYS = (
    (_SHELL, "calc-client '2 * (3 + 4) - -5'"),
    (_SHELL, "calc-client 99999999999 x 99999999999"),
    (_SHELL, "calc-client"),
    (_PROMPT, "1000000 / 7"),
    (_PROMPT, "ans * 7"),
    (_PROMPT, "2 * (3 + 4"),
    (_PROMPT, "quit"),
    (_SHELL, r"printf '%s\n' '1 + 1' 'div 7, -2' '6 * 7' | calc-client"),
)


def play(folder: Path) -> str:
    """Types the keys, and returns what the terminal got to show, with its escape sequences.

    The folder is for the files of calcd, the shell and calc-client.
    """
    (folder / "calcd").mkdir()
    # The sequences by which readline tells what is pasted have a carriage return among them.
    (folder / "inputrc").write_text("set enable-bracketed-paste off\n")
    with Calcd(folder / "calcd") as calcd:
        server = "{}:{}".format(*calcd.address)
        environment = {
            "PATH": f"{calc_client.program(folder).parent}:{os.environ['PATH']}",
            "CALCD_SERVER": server,
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "INPUTRC": str(folder / "inputrc"),
            # A sign in green, and what is typed behind it in bold.
            "PS1": r"\[\e[32m\]$ \[\e[0;1m\]",
            "PS0": r"\e[0m",
        }
        shown = ""
        shell = ["/bin/bash", "--norc", "--noprofile"]
        with Terminal(shell, environment, columns=COLUMNS, kind="xterm-256color") as terminal:
            for prompt, keys in _KEYS:
                shown += terminal.expect(prompt)
                terminal.press(keys + "\r")
            shown += terminal.expect(_SHELL)
    return shown.replace("\r\n", "\n").replace(server, "127.0.0.1:7070")


def lines_of(shown: str) -> list[str]:
    """What a reader sees of it."""
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", shown).split("\n")]


def drawn_lines(svg: str) -> list[str]:
    """What a reader sees in the drawing."""
    lines: dict[float, str] = {}
    for text in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        if text.get("clip-path"):  # the window's title has none
            height = float(text.get("y", ""))
            lines[height] = lines.get(height, "") + (text.text or "").replace("\u00a0", " ")
    return [lines[height].rstrip() for height in sorted(lines)]
