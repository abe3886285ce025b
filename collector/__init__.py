"""The Collector's configuration, and what writes the part of it that the catalogue decides."""
