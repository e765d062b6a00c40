"""The language about scenes: phrases, captions, questions, statements, conversations."""
