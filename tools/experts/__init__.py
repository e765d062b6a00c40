"""The vision experts: each public module or package here serves the role of its name."""
