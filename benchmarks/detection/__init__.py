"""How long it takes from a fault to its page, by the real stack: ``scripts/detection --help``."""
