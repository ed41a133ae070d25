"""Sphinx's settings for the pages; see tools/pages.py, which brings the notebooks here."""

from __future__ import annotations

from tools import notebooks

project = "The funnel series"
author = "The authors of the funnel series"
copyright = "MIT licence"  # noqa: A001 - Sphinx's name
language = "en"
extensions = ["myst_nb"]
nb_execution_mode = "off"
nb_merge_streams = True
html_theme = "sphinx_book_theme"
html_title = project
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark, as the system has it
html_static_path = ["_static"]
html_css_files = ["site.css", "labs/lab.css"]
html_js_files = [("host.js", {"type": "module"})]
html_copy_source = False
html_theme_options = {
    "repository_url": notebooks.address(),
    "use_repository_button": True,
    "use_download_button": False,
    "show_toc_level": 2,
    "back_to_top_button": False,  # it lies on the labs' controls
}
