"""The detector: its recipe, what it learns from, and how it is measured."""
