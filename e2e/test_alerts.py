"""Every alert fires when it must and not otherwise."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.promise("alerts")
