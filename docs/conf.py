"""Settings of Sphinx for `make docs`; the pages are those of compiler/specc/pages."""

from specc import __version__

project = "specc"
author = "the specc authors"
version = release = __version__
html_title = f"specc {__version__}"
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_use_index = False
templates_path = []
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
highlight_language = "text"
pygments_style = "default"
# Fragments of jobs in the pages on findings are no JSON of their own.
suppress_warnings = ["misc.highlighting_failure"]
