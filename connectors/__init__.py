"""Where people meet Saccade: the terminal first."""
