"""What calcd logs, where to, and what happens while the log takes nothing."""
