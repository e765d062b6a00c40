"""Judging: is an answer right, and how sure is a share of right ones."""
