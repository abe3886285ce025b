"""The command ``wxiai-otel init``: the pipeline beside an application that has only installed this package."""

from ._ask import ask
from ._choices import Choices, LayOutError
from ._files import contents, lay_out, secrets_of, to_be_edited

__all__ = ["Choices", "LayOutError", "ask", "contents", "lay_out", "secrets_of", "to_be_edited"]
