"""The foundations: the Helm releases below the platform, with their charts, their installation, and the wait for them."""

from platform_e2e.foundations.failure import ReleaseFailed
from platform_e2e.foundations.installation import Installed, install
from platform_e2e.foundations.sealing_key import restore_sealing_key
from platform_e2e.foundations.versions import OtherVersions

__all__ = ["Installed", "OtherVersions", "ReleaseFailed", "install", "restore_sealing_key"]
