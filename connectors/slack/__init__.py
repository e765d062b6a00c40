"""Slack: a thread is a conversation, and a user of a workspace is an owner."""
