"""The door for reviewers: what waits for them, and the two buttons."""
