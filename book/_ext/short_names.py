"""Sphinx extension: a docstring's ``UserError`` finds ``semshare.errors.UserError``, if only one object is called so.

Docstrings are read in editors and terminals first, where a full path is noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sphinx.util.nodes import make_refnode

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Node) -> nodes.Node | None:
    target = node["reftarget"]
    if node.get("refdomain") != "py" or "." in target:
        return None
    domain = env.get_domain("py")
    types = domain.objtypes_for_role(node["reftype"]) or ()
    found = [
        (name, entry)
        for name, entry in domain.objects.items()
        if name.rpartition(".")[2] == target and entry.objtype in types and not entry.aliased
    ]
    if len(found) != 1:
        return None
    [(name, entry)] = found
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, [content], name)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
