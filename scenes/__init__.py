"""A drawn world with exact ground truth: scenes, their renderer, and the language about them."""
