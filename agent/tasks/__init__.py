"""Scripted tasks: steps over many pictures, written down in a file, checked before they run, resumable."""

from .task import Task

__all__ = ["Task"]
