"""Characters that documents and web pages have in place of those of ASCII."""

# Only what means one thing. Each stands for one character, so that columns stay what they are.
_SAME = {
    "+": "\uff0b\ufe62\u2795",
    "-": "\u2212\u2010\u2011\u2012\u2013\u2014\uff0d\ufe63\u2796",
    "*": "\u00d7\u00b7\u22c5\u2217\uff0a\u2715\u2716\u2a2f",
    "/": "\u00f7\u2215\u2044\uff0f\u2797",
    "(": "\uff08",
    ")": "\uff09",
    ",": "\uff0c",
    # Of no width: a byte order mark, joiners, marks of direction.
    " ": "\ufeff\u200b\u200c\u200d\u2060\u200e\u200f",
}
_TABLE = {ord(character): ascii_ for ascii_, characters in _SAME.items() for character in characters}


def in_ascii(line: str) -> str:
    """The line with the characters of ASCII that are meant, where this is plain."""
    return line if line.isascii() else line.translate(_TABLE)


def describe(character: str) -> str:
    """The character, with its code point unless it can be typed and seen."""
    if character.isascii() and character.isprintable():
        return repr(character)
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # what surrogateescape makes of a byte
        return f"the byte 0x{code - 0xDC00:02X}, which is no UTF-8,"
    import unicodedata  # noqa: PLC0415 only a mistake needs it

    name = unicodedata.name(character, "")
    return f"{character!r} ({' '.join((f'U+{code:04X}', name)).strip()})"


def pointer(line: str, column: int) -> str:
    """The part of the line around the column, counted from 0, and below it a caret."""
    import unicodedata  # noqa: PLC0415

    before, behind = line[max(0, column - 60) : column], line[column : column + 15]
    shown = ["".join(c if c.isprintable() else " " for c in part) for part in (before, behind)]
    wide = sum(unicodedata.east_asian_width(c) in "FW" for c in shown[0])
    none = sum(unicodedata.combining(c) > 0 for c in shown[0])
    return f"    {''.join(shown).rstrip()}\n    {' ' * (len(shown[0]) + wide - none)}^"
