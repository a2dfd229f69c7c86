"""What is stuck, and the one thing to do about each; whether the service is alive."""
