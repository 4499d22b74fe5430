"""How Sphinx builds the documentation; `make docs` runs it, and warnings are errors there."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))

os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # `selectormlp`
os.environ["COLUMNS"] = "100"  # width of what the commands print in tutorials
os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # figures show in the page

project = "SelectorMLP"
author = "The SelectorMLP developers"
project_copyright = author
release = installed_version("selectormlp")
version = release
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "mathml",
    "plain_docstrings",
    "plain_types",
]
exclude_patterns = ["_build", "decisions", "**.ipynb_checkpoints"]
templates_path = ["_templates"]

# Pages: MyST Markdown; those whose first lines name a kernel are notebooks, executed at every build.
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 240
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

# Reference: what the docstrings say, one page per name.
autosummary_generate = True
autosummary_imported_members = True
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "inherited-members": "BaseModel"}
autodoc_inherit_docstrings = True
autodoc_typehints_format = "short"
add_module_names = False
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 88

copybutton_prompt_text = r">>> |\.\.\. |\$ |In \[\d*\]: "
copybutton_prompt_is_regexp = True

html_theme = "sphinx_book_theme"
html_title = "SelectorMLP"
html_static_path = ["_static"]
html_css_files = ["selectormlp.css"]
html_theme_options = {
    "repository_url": "https://github.com/selectormlp/selectormlp",
    "use_repository_button": True,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
