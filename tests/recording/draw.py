"""Draws the README's recording of calc-client, if it is out of date.

Another version of rich could draw it a little differently. Colours are not compared: remove the drawing to
have others.
"""

import io
import re
import tempfile
from pathlib import Path

from recording.session import COLUMNS, DRAWING, drawn_lines, lines_of, play
from support.daemon import TREE

_FONTS = 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace'


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        shown = play(Path(folder))
    if DRAWING.exists() and drawn_lines(DRAWING.read_text()) == lines_of(shown):
        return
    DRAWING.write_text(_drawn(shown))
    print(DRAWING.relative_to(TREE))


def _drawn(shown: str) -> str:
    try:
        from rich.console import Console  # noqa: PLC0415 only a drawing needs it
        from rich.text import Text  # noqa: PLC0415
    except ImportError:
        raise SystemExit(
            "rich, which draws the recording, is missing: apt-get install python3-rich"
        ) from None
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(shown))
    svg = console.export_svg(title="calc-client", unique_id="calc-client")
    # Fonts that the reader has, and none from another server; blanks before a caret, for librsvg too.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code, monospace", _FONTS)
    svg = svg.replace("<svg ", '<svg width="640" xml:space="preserve" ', 1)
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)


if __name__ == "__main__":
    main()
