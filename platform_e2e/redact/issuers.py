"""Shapes of tokens that show their issuer: by a prefix, or by the text around them."""

from __future__ import annotations

import re

from platform_e2e.redact.names import HIDDEN
from platform_e2e.redact.pattern import Shape
from platform_e2e.redact.pattern import shape as _shape

_I = re.IGNORECASE


def _prefixed(body: str, *prefixes: str) -> tuple[Shape, ...]:
    """Return the shapes of tokens with the same body after one of several prefixes."""
    return tuple(
        _shape(
            prefix.lower(),
            # The literal comes first, which makes the search quick.
            rf"{re.escape(prefix)}(?<![A-Za-z0-9_]{re.escape(prefix)}){body}(?![A-Za-z0-9])",
        )
        for prefix in prefixes
    )


TOKENS: tuple[Shape, ...] = (
    # JSON web tokens, signed or encrypted (RFC 7519): the first part is a JSON object.
    _shape("eyj", r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){1,4}", HIDDEN + " token"),
    # GitHub, docs.github.com: "About authentication", token formats.
    _shape("ghp_ gho_ ghu_ ghs_ ghr_", r"(?<![A-Za-z0-9_])gh[pousr]_[A-Za-z0-9]{20,}"),
    _shape("github_pat_", r"(?<!\w)github_pat_\w{20,}"),
    # GitLab, docs.gitlab.com: "Token overview", prefixes.
    _shape("gl", r"(?<![\w-])gl(?:pat|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|ffct|oas|wt)-[\w.-]{15,}"),
    _shape("gr1348941", r"(?<!\w)GR1348941[\w-]{15,}"),
    # Slack.
    _shape("xox xapp-", r"(?<![\w-])(?:xox[abcdeoprs](?:\.xox[bp])?|xapp)-[\w-]{10,}"),
    _shape(
        "hooks.slack.com discord",
        r"(?P<head>(?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/webhooks)/)[\w/-]{16,}",
    ),
    # AWS: ids of keys; the keys themselves are recognised by name only.
    _shape("akia asia abia acca", r"(?<![A-Z0-9])A(?:KIA|SIA|BIA|CCA)[0-9A-Z]{16}(?![A-Z0-9])"),
    # Google: API keys, OAuth access tokens and client secrets.
    _shape("aiza", r"(?<![\w-])AIza[\w-]{35}"),
    _shape("ya29. gocspx-", r"(?<![\w-])(?:ya29\.|GOCSPX-)[\w-]{20,}"),
    # Azure: client secrets of Entra ID, keys of storage accounts (64 bytes).
    _shape("q~", r"(?<![\w.~-])[\w.~-]{3}\dQ~[\w.~-]{31,34}"),
    _shape("==", r"(?<![A-Za-z0-9+/])(?<!sha512[-:])[A-Za-z0-9+/]{86}=="),
    # Stripe.
    _shape("sk_ rk_ whsec_", r"(?<![A-Za-z0-9])(?:[sr]k_(?:live|test)_|whsec_)[A-Za-z0-9+/=]{16,}"),
    _shape("npm_", r"(?<![A-Za-z0-9_])npm_[A-Za-z0-9]{30,}"),
    _shape("pypi-", r"(?<![\w-])pypi-[\w-]{40,}"),
    _shape("dckr_", r"(?<!\w)dckr_(?:pat|oat)_[\w-]{20,}"),
    _shape("age-", r"AGE-(?:SECRET-KEY|PLUGIN-[A-Z0-9]{1,20})-1[0-9A-Z]{20,}", HIDDEN + " age key", _I),
    _shape("sg.", r"(?<![\w.-])SG\.[\w-]{16,}\.[\w-]{16,}"),
    # HashiCorp Vault and Terraform.
    _shape("hvs. hvb. hvr.", r"(?<![\w.])hv[sbr]\.[\w-]{20,}"),
    _shape(".atlasv1.", r"(?<![A-Za-z0-9])[A-Za-z0-9]{14}\.atlasv1\.[\w-]{20,}"),
    # Grafana, DigitalOcean, OpenAI and Anthropic, Hugging Face, Shopify, Databricks, Linear, New Relic, Twilio, Telegram.
    _shape("glsa_ glc_", r"(?<!\w)gl(?:sa|c)_[A-Za-z0-9+/=_]{20,}"),
    _shape("_v1_", r"(?<!\w)do[opr]_v1_[a-f0-9]{32,}"),
    _shape("sk-", r"(?<![\w-])sk-[A-Za-z0-9_-]{20,}"),
    _shape(
        "hf_ shp dapi lin_api_ nrak-",
        r"(?<!\w)(?:hf_[A-Za-z]{30,}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|dapi[a-f0-9]{32}|lin_api_\w{30,}|NRAK-[A-Z0-9]{27})",
    ),
    _shape(":aa", r"(?<!\d)\d{8,10}:AA[\w-]{33}"),
    # Bootstrap tokens; the name of an event looks similar, but its second part is hexadecimal.
    _shape(
        ".",
        r"(?<![\w./-])(?=[a-z0-9]{6}\.[a-z0-9]{0,15}\d)(?![a-z0-9]{6}\.[0-9a-f]{16}\b)[a-z0-9]{6}\.[a-z0-9]{16}(?![\w./-])",
        HIDDEN + " bootstrap token",
        sure=r"\.(?<=(?<![\w./-])[a-z0-9]{6}\.)[a-z0-9]{16}(?![\w./-])",
    ),
    # Hashes of passwords, crypt(5), bcrypt and Argon2: the password can be guessed from them.
    _shape("$", r"\$(?:2[abxy]|apr1|1|5|6|y|gy|argon2(?:id?|d))\$[./A-Za-z0-9$,=+-]{13,}", HIDDEN + " hash"),
    # Digits, capitals and small letters after the prefix, as most issuers make them.
    *_prefixed(
        r"[A-Za-z0-9_-]{24,}",
        "tskey-",
        "dp.pt.",
        "dp.ct.",
        "dp.st.",
        "dp.sa.",
        "dp.scim.",
        "dp.audit.",
        "pplx-",
        "xai-",
        "gsk_",
        "nfp_",
        "nfu_",
        "nfc_",
        "fo1_",
        "ntn_",
        "figd_",
        "figo_",
        "HRKU-",
        "r8_",
        "pscale_pw_",
        "pscale_tkn_",
        "pscale_oauth_",
        "tfp_",
        "AQVN",
        "ddp_",
        "ddw_",
        "ptr_",
        "ico-",
        "pnu_",
        "pnb_",
        "ATATT3",
        "ATCTT3",
        "ATBB",
        "lsv2_pt_",
        "lsv2_sk_",
        "sgp_local_",
        "dnkey-",
        "EZAK",
        "EZTK",
        "FLWSECK_TEST-",
        "FLWSECK-",
        "fio-u-",
        "p8e-",
        "LTAI",
        "NRJS-",
        "NRII-",
        "NRAA-",
        "duffel_live_",
        "duffel_test_",
        "sq0atp-",
        "sq0csp-",
        "sq0idp-",
        "shippo_live_",
        "shippo_test_",
        "api_org_",
        "waka_",
        "ubi_",
        "vercel_",
        "vcp_",
        "cfut_",
        "cfat_",
        "jina_",
        "voyage-",
        "tvly-",
        "phx_",
        "phc_",
        "key_live_",
        "pcsk_",
        "nvapi-",
        "sm_aat_",
        "sm_pat_",
        "sm_sat_",
        "sbp_oauth_",
        "sb_secret_",
        "ghv_",
        "hapi_",
        "railway_",
        "nomic-",
        "e2b_",
        "apify_api_",
        "wandb_v1_",
    ),
    *_prefixed(r"[A-Za-z0-9]{20}-[A-Za-z0-9]{16}", "xkeysib-", "xsmtpsib-"),
    *_prefixed(r"[0-9a-f]{40,}(?:-[A-Za-z0-9]{16})?", "xkeysib-", "xsmtpsib-"),
    # Hexadecimal digits after the prefix.
    *_prefixed(
        r"[0-9a-f]{30,}",
        "pul-",
        "sbp_",
        "rootly_",
        "squ_",
        "sqp_",
        "sqa_",
        "sqb_",
        "sgp_",
        "sntryu_",
        "sntrys_",
        "rubygems_",
        "key-",
        "pubkey-",
        "live_",
        "test_",
        "sk_",
        "SK",
        "s-s4t2ud-",
        "s-s4t2af-",
        "bkua_",
        "bkaj_",
        "bkct_",
        "CLOJARS_",
        "tk-us-",
        "clojars_",
        "rdme_",
    ),
    *_prefixed(r"[a-z0-9]{60,}", "rdme_"),
    *_prefixed(r"[0-9a-f]{16}_[0-9a-f]{40}", "sgp_"),
    *_prefixed(r"[A-Za-z0-9]{16,30}_[0-9a-f]{40}", "CCIPAT_", "CCIPRJ_"),
    *_prefixed(r"[0-9a-f]{24}-[0-9a-f]{100,}", "v1.0-"),
    *_prefixed(r"[A-Z0-9]{26}", "API-"),
    *_prefixed(
        r"[A-Za-z0-9+/=_-]{50,}",
        "EAAA",
        "EAAM",
        "EAAC",
        "AKCp",
        "ABSK",
        "cmVmd",
        "eyJrIjoi",
        "ops_eyJ",
        "sntrys_eyJ",
        "fm2_",
        "fm1_",
    ),
    _shape("dt0", r"(?<![A-Za-z0-9])dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    _shape(
        "pat", r"(?<![A-Za-z0-9])(?:pat[A-Za-z0-9]{14}\.[0-9a-f]{64}|[ps]at\.[\w-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20})"
    ),
    _shape("_mmk", r"(?<![A-Za-z0-9])[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk"),
    _shape("-us", r"(?<![A-Za-z0-9])[0-9a-f]{32}-us\d{1,2}(?!\d)"),
    _shape("sha256~", r"sha256~[\w-]{40,}"),
    # Discord: id in base64, time, signature; Mapbox and others who sign their tokens alike.
    _shape(
        ".",
        r"(?<![\w./-])(?:[MNO][A-Za-z0-9]{23,25}\.[\w-]{6}\.[\w-]{27,38}|[ps]k\.[A-Za-z0-9]{60,}\.[A-Za-z0-9]{22})(?![\w.-])",
        sure=r"\.(?:[\w-]{6}\.[\w-]{27}|[A-Za-z0-9]{22})",
    ),
    _shape("access-", r"(?<!\w)access-(?:sandbox|development|production)-[0-9a-f-]{36}"),
    # Addresses that accept posts from everyone who knows them.
    _shape(
        "webhook.office.com hooks.zapier.com /hooks/ logic.azure.com chat.googleapis.com hook.",
        r"(?P<head>(?:webhook\.office\.com/webhookb2|hooks\.zapier\.com/hooks/catch|hook\.[\w.]{1,20}\.com|/hooks)/)(?=[\w@/-]*\d)[\w@/-]{16,}",
    ),
    _shape("_gitlab_session=", r"(?P<head>_gitlab_session=)\w{20,}"),
)
"""Shapes of tokens that show their issuer."""
