"""The process that serves a connection: it accepts, reads, computes, replies, and reports."""
