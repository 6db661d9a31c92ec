"""What the module refuses in a real ModuleManager, each with one clear line, and what it accepts.

A case plays a scenario with variables of the host's environment and says which error line of the
module's the log has to have: exactly one, with all of these words, or none.
"""

import json
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
NOT_CREATED = "Error creating Module instance for 'com_criteo_mesos_CommandIsolator'"
INCOMPATIBLE = "has determined to be incompatible"


def isolator(**parameters):
    pairs = {
        "module_name": "refused",
        "state_dir": "${SCRATCH}/contexts",
        "temp_dir": "${SCRATCH}/tmp",
        **parameters,
    }
    return {
        "libraries": [
            {
                "file": "${LIBRARY}",
                "modules": [
                    {
                        "name": "com_criteo_mesos_CommandIsolator",
                        "parameters": [
                            {"key": key, "value": value} for key, value in pairs.items()
                        ],
                    }
                ],
            }
        ]
    }


def parameter(words, refused=NOT_CREATED, **parameters):
    return {"modules": isolator(**parameters), "refused": refused, "line": words}


def size(name, found, known):
    return {
        "modules": isolator(),
        "refused": INCOMPATIBLE,
        "environment": {"SIMULATED_SIZES": f"{name}={found}"},
        "line": ["refuses to run in this Mesos @RELEASE@", name, f"takes {found} bytes", known],
    }


def layout(which, words, unless=()):
    return {
        "modules": isolator(),
        "refused": INCOMPATIBLE,
        "unless": unless,
        "environment": {"SIMULATED_LAYOUT": which},
        "line": ["refuses to run in this Mesos @RELEASE@", words],
    }


# name: modules file, what Mesos has to say (None: it accepts), environment, words of our one line.
# A release is simulated by release.c; it has to be below the library's own, which Mesos checks too.
CASES = {
    "no-isolator-name": parameter(["'module_name'", "is missing"], module_name=""),
    "bad-name": parameter(["'module_name'", "'../up'"], module_name="../up"),
    "bad-duration": parameter(
        ["'isolator_usage_timeout'", "'soon'", "accepted are"],
        isolator_usage_command="${HERE}/trivial.sh",
        isolator_usage_timeout="soon",
    ),
    "zero-duration": parameter(
        ["'isolator_prepare_timeout'", "'0'"],
        isolator_prepare_command="${HERE}/trivial.sh",
        isolator_prepare_timeout="0",
    ),
    "bad-failure": parameter(
        ["'isolator_prepare_failure'", "'never'", "fail", "ignore"],
        isolator_prepare_failure="never",
    ),
    "bad-number": parameter(["'max_parallel'", "'many'"], max_parallel="many"),
    "size-hook": size("mesos.Labels", 56, "knows 48"),
    "size-usage": size("mesos.ResourceStatistics", 416, "knows 400 or 408 or 488"),
    "size-prepare": size("mesos.slave.ContainerLaunchInfo", 288, "knows 224 or 280"),
    "layout-resources": layout("resources", "mesos.Resources has a layout"),
    "layout-limits": layout(
        "limits", "mesos.TaskInfo does not keep its map of limits", unless=["1.8.1", "1.9.0"]
    ),
    "untested": {
        "modules": isolator(),
        "release": "@RELEASE@-rc1",
        "refused": INCOMPATIBLE,
        "line": [
            "refuses to run in this Mesos @RELEASE@-rc1",
            "it has been tested with",
            "MESOS_COMMAND_MODULES_ACCEPT=@RELEASE@-rc1",
        ],
    },
    "accepts-another": {
        "modules": isolator(),
        "release": "@RELEASE@-rc1",
        "refused": INCOMPATIBLE,
        "environment": {"MESOS_COMMAND_MODULES_ACCEPT": "@RELEASE@-rc2"},
        "line": ["MESOS_COMMAND_MODULES_ACCEPT=@RELEASE@-rc1"],
    },
    # Accepting a release does not accept its sizes.
    "accepts-no-size": {
        "modules": isolator(),
        "release": "@RELEASE@-rc1",
        "refused": INCOMPATIBLE,
        "environment": {
            "MESOS_COMMAND_MODULES_ACCEPT": "@RELEASE@-rc1",
            "SIMULATED_SIZES": "mesos.Labels=56",
        },
        "line": ["mesos.Labels takes 56 bytes"],
    },
    "accepted": {
        "modules": isolator(isolator_usage_command="${HERE}/trivial.sh"),
        "release": "@RELEASE@-rc1",
        "environment": {"MESOS_COMMAND_MODULES_ACCEPT": "@RELEASE@-rc1"},
    },
}
# After a refusal nothing is played; after an acceptance the module has to work.
STEPS = [
    {"do": "call", "event": "isolator_prepare", "container": "c", "expect": {"answer": "nothing"}},
    {"do": "call", "event": "isolator_usage", "container": "c", "expect": {"answer": "nothing"}},
    {"do": "call", "event": "isolator_cleanup", "container": "c", "expect": {"answer": "nothing"}},
]


def complaints(log, words):
    """The module's error lines must be one with these words; none when there are no words."""
    lines = [
        line
        for line in log.read_text(errors="replace").splitlines()
        if line.startswith("E") and "] " in line
    ]
    if not words:
        return [f"the log has an error: {line}" for line in lines]
    if len(lines) != 1:
        return [f"{len(lines)} error lines instead of one", *lines]
    return [f"the line lacks {word!r}: {lines[0]}" for word in words if word not in lines[0]]


def simulate(library, scratch):
    """The variables that let the SIMULATED_ ones make a libmesos look like another."""
    preload = scratch / "release.so"
    if not preload.exists():
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", preload, HERE / "release.c"],
            check=True,
        )
    return {"LD_PRELOAD": str(preload), "SIMULATED_LIBRARY": str(library)}


def with_simulation(environment, library, scratch):
    """A libmesos's environment with what simulate() adds."""
    added = simulate(library, scratch)
    preloads = [environment.get("LD_PRELOAD", ""), added["LD_PRELOAD"]]
    return {**environment, **added, "LD_PRELOAD": " ".join(filter(None, preloads))}


def run(suite, library):
    """Plays all cases with a Suite."""
    for name, case in CASES.items():
        case = json.loads(json.dumps(case).replace("@RELEASE@", suite.release))
        if suite.release in case.get("unless", []):
            continue
        environment = case.get("environment", {})
        if "release" in case:
            environment["SIMULATED_RELEASE"] = case["release"]
        if any(name.startswith("SIMULATED_") for name in environment):
            environment |= simulate(library, suite.scratch)
        refused = case.get("refused")
        scenario = {
            "about": name,
            "environment": {},
            **(
                {"refused": refused}
                if refused
                else {
                    "inputs": {
                        "container_config": {"command_info": {"value": "x"}, "directory": "/x"}
                    },
                    "steps": STEPS,
                }
            ),
        }
        name = f"refuse-{name}"
        paths = [suite.scratch / f"{name}.{kind}.json" for kind in ["modules", "scenario"]]
        for path, content in zip(paths, [case["modules"], scenario]):
            path.write_text(json.dumps(content).replace("${HERE}", str(HERE)))
        log = suite.scratch / f"{name}.log"
        suite.run(
            name,
            *paths,
            environment=environment,
            complaints=lambda log=log, case=case: complaints(log, case.get("line")),
        )
