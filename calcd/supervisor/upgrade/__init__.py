"""The supervisor goes on as the installed code: this proves itself in a child, then takes over."""
