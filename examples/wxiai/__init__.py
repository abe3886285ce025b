"""A small platform that sells AI images for credits: what `wxiai_otel` is for, as an application of its own."""
