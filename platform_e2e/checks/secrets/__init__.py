"""Secrets: each SealedSecret is unsealed, what Git has of it can be unsealed, and its key is backed up."""

from __future__ import annotations

from platform_e2e.checks.secrets import argocd_view, files, sealing
from platform_e2e.checks.secrets.unsealed import WantedSecret, check, of_layer, unattended, watch
from platform_e2e.layer.sealing_keys import known as keys

__all__ = ["WantedSecret", "argocd_view", "check", "files", "keys", "of_layer", "sealing", "unattended", "watch"]
