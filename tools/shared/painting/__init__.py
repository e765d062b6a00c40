"""What painting takes besides a painter: what a prompt asks for, where it goes, and whether it came out."""
