"""Stand-ins for the outside world, run as real servers; never for code of our own."""
