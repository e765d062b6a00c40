"""What an answer may say: references to observations, put in by code, and the check of what was said freely."""
