"""`python -m saccade` is the same as `saccade`."""

from .cli import main

main()
