"""Discord: each person's part of a direct message, a channel or a thread is a conversation."""
