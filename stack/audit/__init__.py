"""Asks the advisory databases for what is shipped: the locks of Python, and the programs that are built with Go."""
