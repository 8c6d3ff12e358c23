"""Documents that keys are exchanged in: CPIX 2.3 of the DASH Industry Forum (ETSI TS 103 799)."""

from __future__ import annotations

import base64
import secrets
import uuid
from typing import Final
from xml.etree import ElementTree

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from taskengine.media.keys import KEY_SIZE, AssetKeys
from taskengine.model import PermanentFailure

CPIX: Final = "urn:dashif:org:cpix"
PSKC: Final = "urn:ietf:params:xml:ns:keyprov:pskc"
VERSION: Final = "2.3"
SYSTEMS: Final = {  # by the names that jobs have for them (DASH-IF's list of system ids)
    "playready": "9a04f079-9840-4286-ab92-e65be0885f95",
    "widevine": "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
    "fairplay": "94ce86fb-07ff-4f43-adb8-93d2fa968ca2",
}


def read_cpix(document: bytes) -> AssetKeys:
    """The key of a document, which all tracks are encrypted with. Raises PermanentFailure, which
    shows nothing of it."""
    try:
        root = fromstring(document, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError) as error:
        raise PermanentFailure(f"cpix: expected an XML document: {type(error).__name__}") from None
    if root.tag != f"{{{CPIX}}}CPIX":
        raise PermanentFailure("cpix: expected a CPIX document")
    keys = list(root.iter(f"{{{CPIX}}}ContentKey"))
    if len(keys) != 1:
        raise PermanentFailure(f"cpix: expected one key for all tracks, found {len(keys)}")
    return _keys(keys[0])


def write_cpix(content_id: str, keys: AssetKeys) -> str:
    """The document of an asset's key, in the clear: it is for who may have the key."""
    ElementTree.register_namespace("cpix", CPIX)
    ElementTree.register_namespace("pskc", PSKC)
    kid = str(uuid.UUID(hex=keys.key_id))
    root = ElementTree.Element(f"{{{CPIX}}}CPIX", contentId=content_id, version=VERSION)
    held = _child(_child(root, "ContentKeyList"), "ContentKey", kid=kid, explicitIV=_coded(keys.iv))
    secret = ElementTree.SubElement(_child(held, "Data"), f"{{{PSKC}}}Secret")
    ElementTree.SubElement(secret, f"{{{PSKC}}}PlainValue").text = _coded(keys.key)
    systems = _child(root, "DRMSystemList")
    for system in SYSTEMS.values():
        _child(systems, "DRMSystem", kid=kid, systemId=system)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _keys(said: ElementTree.Element) -> AssetKeys:
    plain = said.findtext(f".//{{{PSKC}}}PlainValue")
    if plain is None:
        raise PermanentFailure("cpix: its key is encrypted, or is not in it: expected a PlainValue")
    try:
        key_id = uuid.UUID(said.get("kid", "")).hex
    except ValueError:
        raise PermanentFailure("cpix: expected a UUID as the kid of its key") from None
    key, iv = _decoded(plain), said.get("explicitIV")
    # AES-128 of HLS has the same key: a document has no other for it.
    return AssetKeys(key_id, key, _decoded(iv) if iv else secrets.token_hex(KEY_SIZE), key)


def _decoded(text: str) -> str:
    try:
        value = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        value = b""
    if len(value) != KEY_SIZE:
        raise PermanentFailure("cpix: expected base64 of 16 bytes as its key and its IV")
    return value.hex()


def _coded(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def _child(parent: ElementTree.Element, name: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, f"{{{CPIX}}}{name}", attributes)
