"""Where the pictures of a task go through its steps: on this machine, or on several with Ray."""
