"""Errors that the user can act on."""


class UpstreamError(Exception):
    """A run that could not start. The message is the reason."""


class Unreachable(UpstreamError):
    """A package index that cannot be reached."""
