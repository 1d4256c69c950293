"""Writes settings as a configuration file, and makes the sample file from the table."""

import textwrap

from calcd.settings.reading import SECTION
from calcd.settings.table import ROWS, Settings


def dump(settings: Settings) -> str:
    """Returns the text of a file from which calcd.settings.reading makes the same settings."""
    lines = [f"{name}={text}" for name, values in texts(settings).items() for text in values]
    return "\n".join((SECTION, *lines)) + "\n"


def texts(settings: Settings) -> dict[str, list[str]]:
    """Returns the values of each setting by its name, of which calcd.settings.reading makes the same
    settings."""
    result = {}
    for attribute, setting in ROWS.items():
        value = getattr(settings, attribute)
        values = [(element,) for element in value] if setting.repeatable and value else [value]
        result[setting.name] = [setting.format(each) for each in values]
    return result


def sample() -> str:
    """Returns the text of the sample file: every setting, commented out, with its default and its help."""
    blocks = [
        "# Settings of calcd. What is commented out here shows the defaults.\n"
        "# Local changes belong in /etc/calcd/calcd.conf or /etc/calcd/calcd.conf.d/*.conf.\n\n" + SECTION
    ]
    for setting in ROWS.values():
        text = setting.help if setting.reloadable else f"{setting.help} A change needs a restart."
        comment = "\n".join(f"# {line}" for line in textwrap.wrap(text, 98, break_on_hyphens=False))
        blocks.append(f"{comment}\n#{setting.name}={setting.default}")
    return "\n\n".join(blocks) + "\n"
