"""Calls without await: an event loop that synchronous code runs, and objects that run their calls on it."""
