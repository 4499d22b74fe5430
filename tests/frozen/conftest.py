"""The flag that writes the golden files again."""


def pytest_addoption(parser):
    parser.addoption(
        "--refreeze", action="store_true", default=False, help="write the golden files of tests/frozen again"
    )
