#!/usr/bin/env python3
"""isolator_prepare: secrets of a Vault in the environment of the containers that ask for them.

Called as: prepare.py INPUT OUTPUT ERROR. A task or an executor asks by a label: the key is
`secret.VARIABLE`, the value `NAME#FIELD`. What it may ask for is decided here, not by the
framework: names lie below the user that the container runs as, VAULT_MOUNT/data/mesos/<user>/NAME
(version 2 of Vault's key-value store). Without such a label there is no answer and no request.

Set in the agent's environment: VAULT_ADDR (`https://vault.example.org:8200`), VAULT_MOUNT
(`secret`), and VAULT_TOKEN_FILE, a file that only root can read. A secret that cannot be had makes
the launch fail, with a reason that does not hold it.
"""

import json
import os
import re
import sys
import urllib.error
import urllib.request
from typing import Any, Dict, List

PREFIX = "secret."
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# No slash and no dot in front: a name never leaves its user's directory.
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
# Less than isolator_prepare_timeout.
PATIENCE_SECONDS = 10


class Refused(Exception):
    """A secret that cannot be had; why, without the secret."""


def wanted(config: Dict[str, Any]) -> Dict[str, str]:
    """Variable to `NAME#FIELD`, of the labels of the task and of its executor."""
    found = {}
    for owner in ("executor_info", "task_info"):
        for label in config.get(owner, {}).get("labels", {}).get("labels", []):
            key = label.get("key", "")
            if key.startswith(PREFIX):
                found[key[len(PREFIX) :]] = label.get("value", "")
    return found


def fetch(user: str, name: str) -> Dict[str, Any]:
    """The fields of a secret."""
    address, mount = os.environ["VAULT_ADDR"], os.environ.get("VAULT_MOUNT", "secret")
    with open(os.environ.get("VAULT_TOKEN_FILE", "/etc/mesos-command/vault-token")) as file:
        token = file.read().strip()
    url = f"{address}/v1/{mount}/data/mesos/{user}/{name}"
    request = urllib.request.Request(url, headers={"X-Vault-Token": token})
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        fields: Dict[str, Any] = json.load(answer)["data"]["data"]
        return fields


def variables(config: Dict[str, Any]) -> List[Dict[str, str]]:
    """The variables of a container, each with its secret."""
    user, fetched = config.get("user", ""), {}  # type: str, Dict[str, Dict[str, Any]]
    found = []
    for variable, place in sorted(wanted(config).items()):
        name, _, field = place.partition("#")
        if not (VARIABLE.fullmatch(variable) and NAME.fullmatch(name) and NAME.fullmatch(user)):
            raise Refused(f"label {PREFIX}{variable} of user '{user}' asks for '{place}'")
        try:
            if name not in fetched:
                fetched[name] = fetch(user, name)
            found.append({"name": variable, "value": str(fetched[name][field])})
        except (KeyError, OSError, TypeError, ValueError) as error:
            # An error of HTTP names its status, one of the answer's form at most a field.
            raise Refused(f"no secret '{place}' for user '{user}': {error!r}") from None
    return found


def main(input_path: str, output_path: str, error_path: str) -> int:
    with open(input_path, encoding="utf-8", errors="replace") as file:
        config = json.load(file).get("container_config", {})
    try:
        found = variables(config)
    except Refused as reason:
        with open(error_path, "w", encoding="utf-8") as file:
            file.write(str(reason))
        return 1
    if found:
        with open(output_path, "w", encoding="utf-8") as file:
            json.dump({"environment": {"variables": found}}, file)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
