"""Suites of whole conversations: in people's own words, and in words that nobody means."""
