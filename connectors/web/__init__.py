"""`saccade serve`: the chat page, and the endpoints for programs, on one server."""
