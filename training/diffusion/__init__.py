"""The recipe of `zoo/diffusion`: a small latent diffusion model that makes pictures and changes parts of them."""
