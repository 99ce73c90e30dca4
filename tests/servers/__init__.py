"""Real servers for the tests: each listens on a free port and is stopped at the end."""
