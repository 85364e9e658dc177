"""Sphinx extension: buttons that open a section's notebook in Colab or Binder, once ``repository_url`` is set.

The theme's own buttons would open ``book/sections``, which no repository holds: what runs is in ``notebooks``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_SECTION = re.compile(r"book/sections/(\d\d_\w+)")


def links(repository: str, branch: str, notebook: str) -> list[dict[str, str]]:
    """The theme's buttons for ``notebook``; none where there is no repository on GitHub to open it from."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", repository)
    if not found:
        return []
    places = {
        "Colab": (
            f"https://colab.research.google.com/github/{found[1]}/blob/{branch}/notebooks/{notebook}.ipynb",
            f"Open the notebook in Colab; run %pip install git+{repository} there first",
        ),
        "Binder": (
            f"https://mybinder.org/v2/gh/{found[1]}/{branch}?urlpath=lab/tree/notebooks/{notebook}.ipynb",
            "Open the notebook in Binder, which builds the Dockerfile",
        ),
    }
    return [
        {"type": "link", "text": name, "url": url, "tooltip": tip, "icon": "fas fa-rocket", "label": f"launch-{name}"}
        for name, (url, tip) in places.items()
    ]


def add_buttons(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """Give the page of a section its group of buttons."""
    options, section = app.config.html_theme_options, _SECTION.fullmatch(pagename)
    repository, branch = options.get("repository_url") or "", options.get("repository_branch") or "main"
    if section and (buttons := links(repository, branch, section[1])):
        group = {"type": "group", "tooltip": "Run this section elsewhere", "icon": "fas fa-rocket"}
        context["header_buttons"].append(group | {"label": "launch-buttons", "buttons": buttons})


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", add_buttons, priority=502)  # after the theme has made its list
    return {"parallel_read_safe": True, "parallel_write_safe": True}
