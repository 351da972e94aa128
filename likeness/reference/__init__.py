"""What a diffusion UNet sees of a reference picture, as in sd-webui's reference_only."""
