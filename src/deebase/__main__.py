"""``python -m deebase``: the command line."""

from deebase.cli import main

if __name__ == "__main__":
    main(prog_name="deebase")
