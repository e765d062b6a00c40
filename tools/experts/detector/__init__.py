"""The detector: boxes with labels."""
