"""Tests of the cookbook's commands, each as the module would call it."""

import json
import os
import shutil
import subprocess
import unittest
from typing import Any

import skips
import vault_stand_in
from played_example import EXAMPLES, PlayedExample

# In a network namespace of its own, with a bridge as on an agent: prepares and isolates a container
# whose process is in another network namespace, notes what that one sees, and cleans up.
ON_A_NETWORK = """
set -eu
export PATH="$PATH:/usr/sbin:/sbin"
ip link set lo up
ip link add mesos0 type bridge
ip address add 10.77.0.1/24 dev mesos0
ip link set mesos0 up
unshare --net sleep 60 &
pid=$!
while [ "$(readlink "/proc/$pid/ns/net")" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
trap 'kill "$pid"' EXIT
echo "{\\"pid\\":$pid}" >input
"$COMMANDS/prepare.sh" input output error
"$COMMANDS/isolate.sh" input ignored error || { cat error; exit 1; }
nsenter --net="/proc/$pid/ns/net" ip -json address show dev eth0 >address
nsenter --net="/proc/$pid/ns/net" ip route show default >route
ip -json link show dev mesos-2 >outside
"$COMMANDS/cleanup.sh" input ignored error
! ip link show dev mesos-2 2>missing
"""


class IpPerContainer(PlayedExample):
    place = "ip-per-container"

    def address(self, container: str) -> str:
        status, output, error = self.play("prepare.sh", {}, container)
        self.assertEqual((status, error), (0, ""))
        answer = json.loads(output)
        self.assertEqual(answer["clone_namespaces"], [0x40000000])
        return str(answer["environment"]["variables"][0]["value"])

    def test_each_container_has_its_own_and_gives_it_back(self) -> None:
        self.assertEqual([self.address(it) for it in "abc"], [f"10.77.0.{n}" for n in (2, 3, 4)])
        self.assertEqual(self.play("cleanup.sh", {}, "b"), (0, "", ""))
        self.assertEqual(self.address("d"), "10.77.0.3")
        # One without an address, as after a launch that failed.
        self.assertEqual(self.play("cleanup.sh", {}, "e"), (0, "", ""))

    def test_when_none_is_left_the_launch_fails(self) -> None:
        self.address("a")
        status, output, error = self.play("prepare.sh", {}, "b", EXAMPLE_LAST_HOST="2")
        self.assertEqual((status, output), (1, ""))
        self.assertEqual(error, "no address of 10.77.0.0/24 is free\n")

    def test_recovery_frees_those_of_containers_that_are_gone(self) -> None:
        for container in ["lives", "orphan", "p.child", "gone"]:
            self.address(container)
        known = {
            "states": [
                {"container_id": {"value": "lives"}},
                {"container_id": {"value": "child", "parent": {"value": "p"}}},
            ],
            "orphans": [{"value": "orphan"}],
        }
        self.assertEqual(self.play("recover.py", known), (0, "", ""))
        left = {str(link.readlink()) for link in (self.root / "state/addresses").iterdir()}
        self.assertEqual(left, {"lives", "orphan", "p.child"})

    def test_isolate_needs_an_address(self) -> None:
        status, _, error = self.play("isolate.sh", {"pid": 1})
        self.assertEqual(status, 1)
        self.assertIn("the container has no address", error)

    def test_a_container_is_on_the_agents_bridge(self) -> None:
        tools = all(shutil.which(it, path="/usr/bin:/bin:/usr/sbin") for it in ("ip", "unshare"))
        if not tools or subprocess.run(["unshare", "--net", "true"], check=False).returncode != 0:
            reason = "no network namespace can be made here, or ip is missing"
            if not skips.allowed_offline():
                self.fail(f"{reason} (ALLOW_SKIPS=1 skips this)")
            print(f"SKIPPED a real network for ip-per-container: {reason}")
            self.skipTest(reason)
        variables = {
            "COMMANDS": str(EXAMPLES / self.place),
            "EXAMPLE_STATE": str(self.root / "state"),
            "MESOS_CONTAINER_ID": "c",
        }
        done = subprocess.run(
            ["unshare", "--net", "sh", "-c", ON_A_NETWORK],
            cwd=self.root,
            env={**os.environ, **variables},
            check=False,
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        inside = json.loads((self.root / "address").read_text())[0]
        addresses = [it["local"] for it in inside["addr_info"] if it["family"] == "inet"]
        self.assertEqual(addresses, ["10.77.0.2"])
        self.assertIn("default via 10.77.0.1 dev eth0", (self.root / "route").read_text())
        outside = json.loads((self.root / "outside").read_text())[0]
        self.assertEqual(outside["master"], "mesos0")


class GpuLabel(PlayedExample):
    place = "gpu-label"

    def labels(self, **task: Any) -> list[tuple[str, str]]:
        cards = {"EXAMPLE_NVIDIA": str(self.root / "gpus")}
        status, output, error = self.play("label.sh", {"task_info": task}, **cards)
        self.assertEqual((status, error), (0, ""))
        return [(label["key"], label["value"]) for label in json.loads(output)["labels"]]

    def card(self, name: str, model: str) -> None:
        self.write(f"gpus/{name}/information", f"Model: \t\t {model}\nIRQ:   \t\t 42\n")

    def test_only_tasks_that_ask_for_a_gpu_get_the_label(self) -> None:
        self.card("0000:01:00.0", "NVIDIA A100-SXM4-40GB")
        given = {"labels": [{"key": "team", "value": "search"}]}
        gpus = [{"name": "gpus", "type": "SCALAR", "scalar": {"value": 1}}]
        forged = [{"name": 'x","name":"gpus"', "type": "SCALAR"}]
        label = ("gpu-model", "NVIDIA A100-SXM4-40GB")
        self.assertEqual(self.labels(labels=given, resources=gpus), [("team", "search"), label])
        self.assertEqual(self.labels(resources=gpus), [label])
        self.assertEqual(self.labels(labels=given), [("team", "search")])
        self.assertEqual(self.labels(resources=forged), [])

    def test_without_one_certain_model_there_is_no_label(self) -> None:
        gpus = [{"name": "gpus"}]
        self.assertEqual(self.labels(resources=gpus), [])
        self.card("0000:01:00.0", "NVIDIA A100")
        self.card("0000:02:00.0", "NVIDIA A100")
        self.assertEqual(self.labels(resources=gpus), [("gpu-model", "NVIDIA A100")])
        self.card("0000:03:00.0", "Tesla T4")
        self.assertEqual(self.labels(resources=gpus), [])


class Secrets(PlayedExample):
    place = "secrets"

    def answer(self, user: str, labels: dict[str, str], **more: str) -> tuple[int, str, str]:
        listed = [{"key": key, "value": value} for key, value in labels.items()]
        config = {"user": user, "task_info": {"labels": {"labels": listed}}}
        token = self.write("token", vault_stand_in.TOKEN + "\n", 0o600)
        with vault_stand_in.server() as address:
            variables = {"VAULT_ADDR": address, "VAULT_TOKEN_FILE": str(token), **more}
            return self.play("prepare.py", {"container_config": config}, **variables)

    def test_a_container_has_the_secrets_that_it_asks_for(self) -> None:
        wanted = {"secret.DB_PASSWORD": "db#password", "secret.DB_USER": "db#user", "team": "x"}
        status, output, error = self.answer("www", wanted)
        self.assertEqual((status, error), (0, ""))
        variables = json.loads(output)["environment"]["variables"]
        self.assertEqual(
            {it["name"]: it["value"] for it in variables},
            {"DB_PASSWORD": vault_stand_in.SECRET, "DB_USER": "web"},
        )

    def test_without_a_label_nothing_is_asked(self) -> None:
        self.assertEqual(
            self.answer("www", {"team": "x"}, VAULT_ADDR="http://nowhere"), (0, "", "")
        )

    def test_what_is_not_the_users_fails_the_launch_without_the_secret(self) -> None:
        for user, place, words in [
            ("root", "db#password", "404"),
            ("www", "nowhere#password", "404"),
            ("www", "db#nowhere", "KeyError('nowhere')"),
            ("www", "../www/db#password", "asks for"),
            ("..", "db#password", "asks for"),
            ("", "db#password", "asks for"),
        ]:
            status, output, error = self.answer(user, {"secret.X": place})
            self.assertEqual((status, output), (1, ""), place)
            self.assertIn(words, error)
            self.assertNotIn(vault_stand_in.SECRET, error)
        for more in [{"VAULT_TOKEN_FILE": "/nowhere"}, {"VAULT_ADDR": "http://127.0.0.1:1"}]:
            self.assertEqual(self.answer("www", {"secret.X": "db#password"}, **more)[0], 1)
        self.assertEqual(self.answer("www", {"secret.A=B": "db#password"})[0], 1)


class Statsd(PlayedExample):
    place = "statsd"

    def test_a_container_knows_the_server_and_its_name(self) -> None:
        _, output, error = self.play("prepare.sh", {}, "pod.task/1", EXAMPLE_STATSD="[::1]:9125")
        self.assertEqual(error, "")
        variables = json.loads(output)["environment"]["variables"]
        self.assertEqual(
            {it["name"]: it["value"] for it in variables},
            {
                "STATSD_UDP_HOST": "[::1]",
                "STATSD_UDP_PORT": "9125",
                "STATSD_PREFIX": "mesos.pod_task_1.",
            },
        )


class Page(unittest.TestCase):
    def test_the_cookbook_names_every_example(self) -> None:
        page = (EXAMPLES.parent / "docs/cookbook.md").read_text()
        for path in sorted(EXAMPLES.iterdir()):
            if path.is_dir():
                self.assertIn(f"examples/{path.name}", page)

    def test_every_command_can_be_executed(self) -> None:
        for path in EXAMPLES.rglob("*"):
            # What workers import is no command.
            if path.suffix in (".sh", ".py") and path.name != "mesos_worker.py":
                self.assertTrue(os.access(path, os.X_OK), path)


if __name__ == "__main__":
    unittest.main()
