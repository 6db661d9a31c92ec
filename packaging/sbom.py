"""What the binaries are made of, as CycloneDX 1.5: packages, versions, licences, sums."""

import datetime
import json
import os
import re
import subprocess
import tomllib
import uuid
from typing import Any

from building import time_of_sources, version
from layout import MODULE, ROOT, SUMMARIES, TOOL

# `cargo tree` of what is linked: macros and build scripts run in the compiler alone.
TREE = "tree --locked -e normal,no-proc-macro --prefix none --format {p}|{l}"


def linked(package: str) -> dict[tuple[str, str], str]:
    """Name and version of each package of others that `package` links, and its licence."""
    words = [os.environ.get("CARGO", "cargo"), *TREE.split(), "-p", package]
    tree = subprocess.run(words, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout
    found = {}
    for line in tree.splitlines():
        what, licence = line.removesuffix(" (*)").split("|")
        if "(/" not in what:
            name, number = what.split()[:2]
            # The old form of a choice.
            found[name, number.removeprefix("v")] = re.sub(r"\s*/\s*", " OR ", licence)
    return found


def checksums() -> dict[tuple[str, str], str]:
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {
        (package["name"], package["version"]): package["checksum"]
        for package in lock["package"]
        if "checksum" in package
    }


def document() -> dict[str, Any]:
    products = {product: linked(product) for product in (MODULE, TOOL)}
    sums = checksums()
    everything = sorted({package for found in products.values() for package in found})
    licences = {package: text for found in products.values() for package, text in found.items()}

    def reference(name: str, number: str) -> str:
        return f"pkg:cargo/{name}@{number}"

    components = [
        {
            "type": "library",
            "bom-ref": reference(*package),
            "name": package[0],
            "version": package[1],
            "purl": reference(*package),
            "licenses": [{"expression": licences[package]}],
            "hashes": [{"alg": "SHA-256", "content": sums[package]}],
        }
        for package in everything
    ]
    own = [
        {
            "type": "library" if product == MODULE else "application",
            "bom-ref": product,
            "name": product,
            "version": version(),
            "description": SUMMARIES[product],
            "licenses": [{"expression": "Apache-2.0"}],
        }
        for product in products
    ]
    dependencies = [
        {"ref": product, "dependsOn": [reference(*package) for package in sorted(found)]}
        for product, found in products.items()
    ]
    made = datetime.datetime.fromtimestamp(time_of_sources(), datetime.UTC)
    content = json.dumps([own, components, dependencies])
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # The same for the same content.
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, content).urn,
        "version": 1,
        "metadata": {"timestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ")},
        "components": [*own, *components],
        "dependencies": dependencies,
    }
