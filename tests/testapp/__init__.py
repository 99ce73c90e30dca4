"""A host shop with nothing in it but two models that have photographs."""
