#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The laboratory's own verdicts: what must fail does fail. Boots nothing."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
LOADER = importlib.machinery.SourceFileLoader("vm_run", os.path.join(HERE, "run"))
SPEC = importlib.util.spec_from_loader("vm_run", LOADER)
vm_run = importlib.util.module_from_spec(SPEC)
LOADER.exec_module(vm_run)


def verdict(user, kernel=()):
    results = vm_run.Results()
    for line in user:
        results.user_line(line)
    for line in kernel:
        results.kernel_line(line)
    return results.close()


class Verdict(unittest.TestCase):
    def test_good(self):
        self.assertEqual(verdict(["VMTEST a PASS", "VMTEST b PASS some detail", "VMTEST-END 2"]), (2, 0))

    def test_failed_test(self):
        self.assertEqual(verdict(["VMTEST a PASS", "VMTEST b FAIL", "VMTEST-END 2"]), (1, 1))

    def test_end_missing(self):
        self.assertEqual(verdict(["VMTEST a PASS"]), (1, 1))

    def test_line_lost(self):
        self.assertEqual(verdict(["VMTEST a PASS", "VMTEST-END 2"]), (1, 1))

    def test_nothing_ran(self):
        self.assertEqual(verdict(["VMTEST-END 0"]), (0, 1))

    def test_malformed(self):
        self.assertEqual(verdict(["VMTEST a", "VMTEST b MAYBE", "VMTEST-END 0"]), (0, 3))

    def test_kernel_trouble(self):
        for line in ("irq 22: nobody cared (try booting with the \"irqpoll\" option)",
                     "BUG: unable to handle page fault for address: 0000", "Oops: 0000 [#1] SMP",
                     "WARNING: CPU: 0 PID: 1 at kernel/irq/manage.c:700 enable_irq+0x1",
                     "Kernel panic - not syncing: Attempted to kill init!",
                     "BUG: KASAN: slab-use-after-free in ptirq_line_signal+0x1/0x2 [ptirq_uio]",
                     "WARNING: possible circular locking dependency detected",
                     "UBSAN: shift-out-of-bounds in ptirq_line.c:1:2",
                     "e1000 0000:02:11.0 eth0: Detected Tx Unit Hang",
                     "e1000 0000:02:11.0 eth0: Reset adapter"):
            with self.subTest(line):
                self.assertEqual(verdict(["VMTEST a PASS", "VMTEST-END 1"], ["[ 1.0] " + line]), (1, 1))

    def test_expected_trouble(self):
        said = ["VMTEST a PASS", "VMTEST-EXPECT nobody cared", "VMTEST-END 1"]
        cared = "[ 1.0] irq 22: nobody cared"
        self.assertEqual(verdict(said, [cared]), (1, 0))
        self.assertEqual(verdict(said, []), (1, 1))
        self.assertEqual(verdict(said, [cared, cared]), (1, 1))
        self.assertEqual(verdict(said, [cared, "[ 1.1] BUG: bad"]), (1, 1))

    def test_harmless_kernel_line(self):
        self.assertEqual(verdict(["VMTEST a PASS", "VMTEST-END 1"], ["[ 1.0] debug: warning"]), (1, 0))

    def test_lines_in_pieces(self):
        seen = []
        lines = vm_run.Lines(seen.append)
        for piece in (b"one\r\ntw", b"o\n", b"thr"):
            lines.feed(piece)
        self.assertEqual(seen, ["one", "two"])
        lines.close()
        self.assertEqual(seen, ["one", "two", "thr"])


class Boots(unittest.TestCase):
    def test_grouped_by_wants(self):
        wants = {"a": [], "b": ["-device x", "-device y"], "c": [], "d": ["-device x", "-device y"]}
        with unittest.mock.patch.object(vm_run, "says", lambda name, _: wants[name]):
            self.assertEqual(vm_run.boots("abcd", False),
                             [([], ["a", "c"]), (["-device", "x", "-device", "y"], ["b", "d"])])
            self.assertEqual([names for _, names in vm_run.boots("abcd", True)],
                             [["a"], ["b"], ["c"], ["d"]])

    def test_what_scenarios_want_is_an_option(self):
        for name in vm_run.scenarios([]):
            for line in vm_run.says(name, "qemu: (.*)"):
                self.assertTrue(line.startswith("-"), f"{name}: {line}")


class Compare(unittest.TestCase):
    def compare(self, raised, *served, options=()):
        with tempfile.TemporaryDirectory() as directory:
            paths = [os.path.join(directory, str(i)) for i in range(1 + len(served))]
            for path, content in zip(paths, (raised, *served)):
                with open(path, "w") as f:
                    f.write(content)
            run = subprocess.run([os.path.join(HERE, "compare"), *options, *paths], text=True,
                                 stdout=subprocess.PIPE, check=False)
            return run.returncode, run.stdout

    def test_equal_in_any_order(self):
        code, out = self.compare("0 0 1\n1 0 1\n0 0 2\n", "0 0 2\n0 0 1\n", "1 0 1\n")
        self.assertEqual(code, 0, out)
        self.assertIn("raised=3 served=3", out)

    def test_differences(self):
        for served in ("0 0 1\n", "0 0 1\n0 0 2\n0 0 2\n", "0 0 1\n0 0 3\n", "0 0 1\n0 1 2\n",
                       "0 0 1\n0 0 2\n0 0\n", "0 0 1\n0 0 2\nrubbish\n", ""):
            with self.subTest(served):
                self.assertEqual(self.compare("0 0 1\n0 0 2\n", served)[0], 1)

    def test_repeats(self):
        self.assertEqual(self.compare("0 0 1\n", "0 0 1\n0 0 1\n", options=["--repeats"])[0], 0)
        self.assertEqual(self.compare("0 0 1\n0 0 2\n", "0 0 1\n0 0 1\n", options=["--repeats"])[0], 1)

    def test_nothing_raised(self):
        self.assertEqual(self.compare("", "")[0], 1)


if __name__ == "__main__":
    unittest.main()
