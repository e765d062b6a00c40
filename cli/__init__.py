"""The command line, thin: a module a group of commands; each imports only what it needs."""

from .program import app, main

__all__ = ["app", "main"]
