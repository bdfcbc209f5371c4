"""tools/wasm-exports: what it keeps, what it drops, what it refuses."""

import importlib.machinery
import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "wasm-exports"


def load():
    """The tool as a module: its file name has no `.py`."""
    loader = importlib.machinery.SourceFileLoader("wasm_exports", str(TOOL))
    spec = importlib.util.spec_from_loader("wasm_exports", loader)
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


tool = load()
HEADER = b"\0asm\1\0\0\0"


def section(kind, payload):
    """A section of the binary format."""
    return bytes([kind]) + tool.number(len(payload)) + payload


def module(names, customs=()):
    """A module with one function, exported under each of `names` (`memory` is a memory)."""
    exports = [(name, 2 if name == "memory" else 0, 0) for name in names]
    out = HEADER + section(1, b"\1\x60\0\0") + section(3, b"\1\0") + section(5, b"\1\0\1")
    out += section(7, tool.write_exports(exports)) + section(10, b"\1\2\0\x0b")
    return out + b"".join(section(0, tool.text(name) + b"x" * 300) for name in customs)


def exports_of(data):
    """The names that `data` exports."""
    return [name for kind, payload in tool.read_sections(data) if kind == 7 for name, _, _ in tool.read_exports(payload)]


class Rewrite(unittest.TestCase):
    def test_keeps_needed_and_allowed_exports_in_their_order(self):
        names = [*tool.NEEDED, "proxy_on_log", "proxy_on_response_headers", "__main_void"]
        self.assertEqual(exports_of(tool.rewrite(module(names))), list(tool.NEEDED))

    def test_a_missing_needed_export_is_named(self):
        names = [name for name in tool.NEEDED if name != "proxy_on_tick"]
        with self.assertRaisesRegex(tool.Bad, "not exported: proxy_on_tick"):
            tool.rewrite(module(names))

    def test_a_module_without_exports_is_refused(self):
        with self.assertRaisesRegex(tool.Bad, "not exported: memory"):
            tool.rewrite(HEADER + section(1, b"\1\x60\0\0"))

    def test_custom_sections_go_and_every_other_stays_as_it_was(self):
        slim = tool.rewrite(module(tool.NEEDED, ["name", "producers"]))
        self.assertEqual(slim, module(tool.NEEDED))
        named = tool.rewrite(module(tool.NEEDED, ["name", "producers"]), customs=("name",))
        self.assertEqual(named, module(tool.NEEDED, ["name"]))

    def test_kind_and_index_of_an_export_are_kept(self):
        exports = [("memory", 2, 0), ("a", 0, 129), ("b", 0, 70000)]
        data = HEADER + section(7, tool.write_exports(exports))
        kept = tool.rewrite(data, ("memory", "b"), ())
        self.assertEqual(tool.read_exports(tool.read_sections(kept)[0][1]), [("memory", 2, 0), ("b", 0, 70000)])

    def test_what_is_no_module_is_refused_and_never_a_crash(self):
        whole = module(tool.NEEDED)
        for end in range(len(whole)):
            with self.assertRaises(tool.Bad, msg=end):
                tool.rewrite(whole[:end])
        with self.assertRaises(tool.Bad):
            tool.rewrite(b"\x7fELF" + whole[4:])

    def test_numbers_go_there_and_back(self):
        for value in (0, 1, 127, 128, 300, 16383, 16384, 2**32 - 1):
            self.assertEqual(tool.read_number(tool.number(value), 0), (value, len(tool.number(value))))
        with self.assertRaises(tool.Bad):
            tool.read_number(b"\x80" * 6, 0)


class CommandLine(unittest.TestCase):
    def run_tool(self, *arguments):
        return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True, check=False)

    def test_writes_lists_and_refuses(self):
        with tempfile.TemporaryDirectory() as folder:
            source, target = pathlib.Path(folder, "in.wasm"), pathlib.Path(folder, "out.wasm")
            source.write_bytes(module([*tool.NEEDED, "proxy_on_log"], ["name"]))
            done = self.run_tool(source, target)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(exports_of(target.read_bytes()), list(tool.NEEDED))
            listed = self.run_tool("--list", source)
            self.assertIn("function proxy_on_log", listed.stdout)
            self.assertIn("custom name", listed.stdout)
            source.write_bytes(module(["memory"]))
            target.unlink()
            refused = self.run_tool(source, target)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("not exported: _initialize", refused.stderr)
            self.assertFalse(target.exists())


if __name__ == "__main__":
    unittest.main()
