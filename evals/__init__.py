"""How good it is: suites over held-out cases."""
