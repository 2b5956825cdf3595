"""The Helm releases that the platform stands on: where their charts come from, how they are installed, when they are ready."""

from platform_e2e.foundations.failure import ReleaseFailed
from platform_e2e.foundations.installation import Installed, OtherVersions, install
from platform_e2e.foundations.sealing_key import restore_sealing_key

__all__ = ["Installed", "OtherVersions", "ReleaseFailed", "install", "restore_sealing_key"]
