import sys

import pytest


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Run ``selectormlp …`` in this process and in the test's folder; return what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        from selectormlp.cli.app import main

        monkeypatch.setattr(sys, "argv", ["selectormlp", *map(str, arguments)])
        with pytest.raises(SystemExit, match="0"):
            main()
        return capsys.readouterr()

    return run
