"""The Helm releases that the platform stands on: where their charts come from, how they are installed, when they are ready."""

from platform_e2e.foundations.before import restore_sealing_key
from platform_e2e.foundations.failure import ReleaseFailed
from platform_e2e.foundations.installation import Installed, OtherVersions, install

__all__ = ["Installed", "OtherVersions", "ReleaseFailed", "install", "restore_sealing_key"]
