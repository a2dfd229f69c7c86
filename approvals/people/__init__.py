"""WHO: who may see and decide what."""
