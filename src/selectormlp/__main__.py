"""``python -m selectormlp`` is the command ``selectormlp``."""

from selectormlp.cli.app import main

if __name__ == "__main__":
    main()
