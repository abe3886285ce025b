"""Errors that the user can act on."""


class UpstreamError(Exception):
    """A run that could not take place; its text says why."""


class Unreachable(UpstreamError):
    """The package index cannot be reached."""
