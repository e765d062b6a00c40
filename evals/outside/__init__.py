"""Pictures from outside the drawn world: what they are, and how well they are told from scenes."""
