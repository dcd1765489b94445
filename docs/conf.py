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
smartquotes = False  # two hyphens begin a flag, and quotes are those of JSON
# Fragments of jobs in the pages on findings are no JSON of their own.
suppress_warnings = ["misc.highlighting_failure"]


def setup(app):
    """Registers what the theme leaves out of its pages."""
    app.connect("html-page-context", name_levels, priority=900)


def name_levels(app, pagename, templatename, context, doctree):
    """Tells screen readers the level of the captions in the menu, which are headings."""
    menu = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = menu.replace(
        'role="heading"', 'role="heading" aria-level="2"'
    )
