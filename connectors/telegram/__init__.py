"""Telegram: a private chat is a conversation, and so is each person's part in a group."""
