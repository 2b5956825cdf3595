"""Objects as an Application renders them, from YAML: for what is judged from files alone."""

from __future__ import annotations

import textwrap

from platform_e2e.layer import Rendered, yamlfile
from platform_e2e.layer.field_locations import Written


def rendered(text: str, application: str = "shop", file: str = "manifests/shop.yaml") -> list[Rendered]:
    """Return the objects of a text, as a plain directory has them."""
    found = yamlfile.parse(textwrap.dedent(text), file)
    return [Rendered(each.data, application, file, each.line, Written.of(each)) for each in found]
