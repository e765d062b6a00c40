"""Painters: diffusion pipelines that make pictures and change parts of them."""
