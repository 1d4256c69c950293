"""The handler: the process that accepts a connection, reads requests, computes, replies, and reports."""
