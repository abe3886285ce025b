"""What the user is told in one line."""


class StackError(Exception):
    """Something that the user can do something about; its text says what."""
