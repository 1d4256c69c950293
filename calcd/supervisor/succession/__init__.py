"""Listeners that follow one another: how one starts, what it tells, how it ends."""
