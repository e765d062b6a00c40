"""What is kept: pictures and regions with their lineage, and conversations."""
