"""Methods of other packages, each in an environment of its own; see docs/peers.md."""
