"""What the estimator's numbers stand for; apart from the network, which needs PyTorch."""

UNITS = (25.0, 50.0, 1.0)
"""Sigma of noise, of 255; steps of JPEG quality below 100; sigma of blur, pixels: what 1.0 is."""
