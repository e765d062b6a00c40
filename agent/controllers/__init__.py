"""Controllers: the chat models that plan, and what holds a local one to calls that fit."""
