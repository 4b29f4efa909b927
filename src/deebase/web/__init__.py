"""Tables on the web: a JSON API, and what it shares with the studio. It uses the public interface alone."""
