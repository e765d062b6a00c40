"""The tools that come with Saccade, one a file."""
