"""OUTSIDE JOBS: tasks that wait for a program on somebody's own cluster instead of a person."""
