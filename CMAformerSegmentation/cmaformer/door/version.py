"""The version of the extension and of its engine, which are one."""

__version__ = "0.1.0"
