"""TLS contexts for cluster connections, from PEM texts that may have been rotated."""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass, field

from dag_common.errors import Invalid


@dataclass(frozen=True, slots=True)
class Trust:
    """What a context is made from (PEM); a changed value means new connections."""

    ca: str = ""
    certificate: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    insecure: bool = False
    strict: bool = True


def context(trust: Trust) -> ssl.SSLContext:
    """A client context that trusts `trust.ca` alone, or the system's CAs if it is empty.

    Raises `Invalid` naming the part that is not usable PEM. Blocks: reading the system's CAs takes milliseconds.
    """
    made = _trusting(trust.ca)
    if not trust.strict:
        # Python sets it by default from 3.13 on; many cluster CAs carry no key identifiers (RFC 5280 §4.2.1.1).
        made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if trust.insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if trust.certificate:
        _show(made, trust)
    return made


def _trusting(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=ca or None)
    except (ssl.SSLError, ValueError) as exc:
        raise Invalid("the cluster's CA is not a PEM certificate (expected -----BEGIN CERTIFICATE-----)") from exc


def _show(made: ssl.SSLContext, trust: Trust) -> None:
    # OpenSSL's Python binding takes certificate chains from files only; this one is private and gone at once.
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
        pem.write(f"{trust.certificate}\n{trust.private_key}\n")
        pem.flush()
        try:
            made.load_cert_chain(pem.name)
        except ssl.SSLError as exc:
            raise Invalid("the client certificate and its key are not usable PEM, or do not belong together") from exc
