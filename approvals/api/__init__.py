"""API: the door for programs: outside jobs and the runners that start them."""
