"""Interfaces of the kernel that Python lacks, or that in Python cost too much for every fork to pay."""
