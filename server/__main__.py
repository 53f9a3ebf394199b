"""`python -m server` is `xuankuan`."""

from server.cli import main

if __name__ == "__main__":
    main()
