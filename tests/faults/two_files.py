"""A result of two files, to be written whole or not at all."""

from selectormlp.files import written_whole
from selectormlp.results import whole_result


def write_both(folder, text, name="both"):
    with whole_result(folder, name):
        for file in ("a.csv", "b.csv"):
            with written_whole(folder / file) as (draft,):
                draft.write_text(text)


def hidden(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))
