"""Cuts a product out: coarse alpha, its edge at full resolution, and the colours of that edge."""
