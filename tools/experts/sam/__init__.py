"""SAM: its model, its decoder, and what turns its masks into pixels."""
