"""The worker libraries of examples/workers: that programs made with them keep the protocol."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).resolve().parent.parent / "examples/workers"
# Enough for a machine with four times the load of its processors.
PATIENCE = 120

SYNC = """
def answer(request):
    print("a word that is no answer")
    if request.get("print"):
        import subprocess
        subprocess.run(["echo", "a child's word"], check=True)
        return sys.stdin.read()
    if "fail" in request:
        raise ValueError(request["fail"])
    return request.get("told")
mesos_worker.main(answer)
"""

ASYNC = """
import asyncio
waits = {}
async def answer(request):
    if "wait" in request:
        future = asyncio.get_event_loop().create_future()
        waits[request["wait"]] = future
        try:
            return await future
        except asyncio.CancelledError:
            if request.get("stubborn"):
                return "not cancelled"
            raise
        finally:
            print("gone", request["wait"], file=sys.stderr, flush=True)
    if "open" in request:
        waits[request["open"]].set_result("opened")
    return request.get("told")
mesos_worker.main_async(answer, multiplex=5)
"""

C = """
#include "mesos_worker.h"
static int answer(const char* input, FILE* out, FILE* why)
{
  int rounds = 0;

  printf("a word that is no answer\\\\n");
  fflush(stdout);
  if (strstr(input, "fail")) {
    fprintf(why, "no \\\\"such\\\\"\\\\n container");
    return 1;
  }
  if (strstr(input, "wait")) {
    while (!mesos_worker_is_cancelled() && rounds++ < 100000)
      poll(NULL, 0, 5);
    fprintf(why, "cancelled");
    return mesos_worker_is_cancelled();
  }
  if (!strstr(input, "nothing"))
    fprintf(out, "{\\\\"got\\\\":\\\\n%s}\\\\n", input);
  return 0;
}
int main(int argc, char** argv)
{
  return mesos_worker_main(argc, argv, answer, 1);
}
"""


class Worker:
    """A program that serves as a worker."""

    def __init__(self, command: list[str], directory: str) -> None:
        self.errors = (Path(directory) / "stderr").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={"MESOS_COMMAND_WORKER": "1", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(LIBRARY)},
        )
        self.say({"mesos_command_worker": 1})
        self.terms = self.hear()

    def say(self, *lines: dict[str, Any]) -> None:
        assert self.process.stdin
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def ask(self, number: int, request: Any) -> None:
        self.say({"id": number, "event": "isolator_usage", "input": request})

    def hear(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def end(self) -> tuple[int, bytes, str]:
        """Its status at the end of its input, what it said last, and what it printed."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        rest = self.process.stdout.read()
        status = self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.errors.seek(0)
        printed = self.errors.read()
        self.errors.close()
        return status, rest, printed


class WorkerLibraries(unittest.TestCase):
    def setUp(self) -> None:
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        self.directory = held.name

    def python(self, text: str) -> list[str]:
        script = Path(self.directory) / "worker.py"
        script.write_text("import sys\nimport mesos_worker\n" + text, encoding="utf-8")
        return [sys.executable, str(script)]

    def c(self) -> list[str]:
        source, program = Path(self.directory) / "worker.c", Path(self.directory) / "worker"
        source.write_text("#define _GNU_SOURCE\n" + C.replace("\\\\", "\\"), encoding="utf-8")
        flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", f"-I{LIBRARY}"]
        subprocess.run(["cc", *flags, "-o", str(program), str(source)], check=True)
        return [str(program)]

    def plain(self, command: list[str], request: str) -> tuple[int, str, str]:
        """An ordinary call: its status, output and error."""
        paths = [Path(self.directory) / name for name in ("input", "output", "error")]
        for path, text in zip(paths, (request, "", ""), strict=True):
            path.write_text(text, encoding="utf-8")
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(LIBRARY)}
        done = subprocess.run(
            command + [str(path) for path in paths],
            env=environment,
            stdout=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, paths[1].read_text(), paths[2].read_text()

    def test_python_one_at_a_time(self) -> None:
        worker = Worker(self.python(SYNC), self.directory)
        self.assertEqual(worker.terms, {"ready": 1})
        worker.ask(7, {"told": {"a": "\u00e9"}})
        self.assertEqual(worker.hear(), {"id": 7, "output": {"a": "\u00e9"}})
        worker.ask(8, {"fail": "no such"})
        self.assertEqual(worker.hear(), {"id": 8, "error": "ValueError('no such')"})
        worker.ask(9, {"told": float("inf")})
        self.assertIn("error", worker.hear(), "no JSON, and the worker lives on")
        worker.ask(10, {})
        self.assertEqual(worker.hear(), {"id": 10}, "nothing to say")
        worker.ask(11, {"told": "x" * (4 << 20)})
        self.assertEqual(len(worker.hear()["output"]), 4 << 20)
        worker.ask(12, {"print": True})
        self.assertEqual(worker.hear(), {"id": 12, "output": ""}, "stdin is not the protocol's")
        status, rest, printed = worker.end()
        self.assertEqual((status, rest), (0, b""))
        self.assertIn("a word that is no answer", printed)
        self.assertIn("a child's word", printed)

    def test_python_many_at_a_time(self) -> None:
        worker = Worker(self.python(ASYNC), self.directory)
        self.assertEqual(worker.terms, {"ready": 1, "multiplex": 5, "cancel": True})
        for number in (1, 2, 3):
            worker.ask(number, {"wait": number})
        for number in (3, 1, 2):
            worker.ask(number + 10, {"open": number})
            heard = sorted((worker.hear() for _ in range(2)), key=lambda line: line["id"])
            self.assertEqual(heard, [{"id": number, "output": "opened"}, {"id": number + 10}])
        worker.ask(20, {"told": "x" * (4 << 20)})
        self.assertEqual(len(worker.hear()["output"]), 4 << 20)
        status, rest, _ = worker.end()
        self.assertEqual((status, rest), (0, b""))

    def test_python_cancels(self) -> None:
        worker = Worker(self.python(ASYNC), self.directory)
        # In one piece: it is cancelled before it has begun.
        request = {"event": "isolator_usage", "input": {"wait": 1}}
        worker.say({"id": 1, **request}, {"cancel": 1})
        self.assertEqual(worker.hear(), {"id": 1, "error": "cancelled"})
        worker.ask(2, {"wait": 2})
        worker.ask(3, {"told": "begun"})
        self.assertEqual(worker.hear(), {"id": 3, "output": "begun"})
        worker.say({"cancel": 2})
        self.assertEqual(worker.hear(), {"id": 2, "error": "cancelled"})
        worker.ask(4, {"wait": 4, "stubborn": True})
        worker.ask(5, {"told": "begun"})
        self.assertEqual(worker.hear(), {"id": 5, "output": "begun"})
        worker.say({"cancel": 4})
        self.assertEqual(worker.hear(), {"id": 4, "output": "not cancelled"})
        # Of what is answered, and of what never was.
        worker.say({"cancel": 4}, {"cancel": 99})
        worker.ask(6, {"wait": 6})
        worker.ask(7, {"told": "still there"})
        self.assertEqual(worker.hear(), {"id": 7, "output": "still there"})
        status, _, printed = worker.end()
        self.assertEqual(status, 0)
        self.assertIn("gone 6", printed, "what it has at the end is cancelled")

    def test_python_answers_ordinary_calls(self) -> None:
        for text in (SYNC, ASYNC):
            command = self.python(text)
            self.assertEqual(self.plain(command, '{"told":{"a":1}}'), (0, '{"a": 1}', ""))
            self.assertEqual(self.plain(command, "{}"), (0, "", ""))
        status, output, error = self.plain(self.python(SYNC), '{"fail":"no"}')
        self.assertEqual((status, output, error), (1, "", "ValueError('no')"))

    def test_c(self) -> None:
        worker = Worker(self.c(), self.directory)
        self.assertEqual(worker.terms, {"ready": 1, "cancel": True})
        for request in ({"a": [1, '}"\\', {}]}, {}, [2], 7, "text"):
            later: dict[str, Any] = {"later": {"input": {}}}
            worker.say({"id": 7, "event": "isolator_usage", "input": request, **later})
            self.assertEqual(worker.hear(), {"id": 7, "output": {"got": request}})
        worker.ask(8, {"fail": 1})
        self.assertEqual(worker.hear(), {"id": 8, "error": 'no "such"\n container'})
        worker.ask(9, {"nothing": 1})
        self.assertEqual(worker.hear(), {"id": 9})
        worker.ask(10, {"a": "x" * (4 << 20)})
        self.assertEqual(len(worker.hear()["output"]["got"]["a"]), 4 << 20)
        worker.say({"cancel": 10}, {"cancel": 99})
        worker.ask(11, {"wait": 1})
        worker.say({"cancel": 11})
        self.assertEqual(worker.hear(), {"id": 11, "error": "cancelled"})
        worker.ask(12, {"nothing": 1})
        self.assertEqual(worker.hear(), {"id": 12})
        status, rest, printed = worker.end()
        self.assertEqual((status, rest), (0, b""))
        self.assertIn("a word that is no answer", printed)

    def test_c_answers_ordinary_calls(self) -> None:
        command = self.c()
        status, output, error = self.plain(command, '{"a":1}')
        self.assertEqual((status, json.loads(output), error), (0, {"got": {"a": 1}}, ""))
        status, output, error = self.plain(command, '{"fail":1}')
        self.assertEqual((status, output, error), (1, "", 'no "such"\n container'))


if __name__ == "__main__":
    unittest.main()
