"""The import graph of the Rust code: which file takes names from which, and the circles in it.

An import is a path in the code (in a `use` or anywhere else) that leads into another file of the same crate. A name that
a file merely passes on (`pub use`) counts as an import of the file that defines it. What a module and the modules inside
it take from each other does not count: `foo.rs` and `foo/` are one house. Tests are left out.
"""

import re

USE = re.compile(r"^\s*(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", re.M)
PATH = re.compile(r"\b(?:crate|self|super|[a-z_][a-z0-9_]*)(?:::[A-Za-z_][A-Za-z0-9_]*)+")


def production(text):
    """The code of a file without its comments, its strings and its tests."""
    text = re.split(r"#\[cfg\(test\)\]\s*mod \w+ \{", text)[0]
    text = re.sub(r'b?r?"(?:[^"\\]|\\.)*"|//[^\n]*', "", text)
    return re.sub(r"#\[cfg\(test\)\]\s*[^;{]*;", "", text)


def module_of(path):
    """The crate and the modules that lead to a file: `src/a/b.rs` is `("src", "a", "b")`."""
    crate, rest = re.fullmatch(r"(.*?src)/(.+)\.rs", path).groups()
    parts = rest.split("/")
    return (crate, *parts) if parts != ["lib"] else (crate,)


def is_inside(one, other):
    """Returns whether one of two modules is, or is inside of, the other."""
    return all(left == right for left, right in zip(one, other))


def spread(tree):
    """The paths of a `use`, one each, as `(path, name in this file)`: `a::{b, c as d}` is `a::b` as b and `a::c` as d."""
    tree = re.sub(r"\s+", " ", tree).strip()
    head, brace, inside = tree.partition("{")
    if not brace:
        path, _, name = head.partition(" as ")
        segments = [part.strip() for part in path.split("::")]
        if segments[-1] == "self":
            segments.pop()
        yield segments, name.strip() or segments[-1]
        return
    prefix = [part for part in head.strip().split("::") if part]
    depth, start = 0, 0
    inside = inside.rstrip()[:-1]
    for place, letter in enumerate(inside + ","):
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            if part := inside[start:place].strip():
                yield from ((prefix + (rest if rest != ["self"] else []), name if name != "self" else prefix[-1])
                            for rest, name in spread_part(part))
            start = place + 1


def spread_part(part):
    """One part of the braces of a `use`; `self` stands for what is in front of them."""
    return [(["self"], "self")] if part == "self" else spread(part)


class Graph:
    """The files of the crates, and what each imports."""

    def __init__(self, texts):
        self.code = {path: production(text) for path, text in texts.items()}
        self.modules = {module_of(path): path for path in texts}
        self.passed_on = {}
        self.taken = {path: list(self.uses(path)) for path in texts}
        self.edges = {path: self.imports(path) for path in texts}

    def uses(self, path):
        """The absolute paths that a file's `use` lines name; those that it passes on are noted for others."""
        here = module_of(path)
        for passes_on, tree in USE.findall(self.code[path]):
            for segments, name in spread(tree):
                if target := self.absolute(here, segments):
                    if passes_on:
                        self.passed_on[(*here, name)] = target
                    else:
                        yield target

    def absolute(self, here, segments):
        """A path from its crate's root, if it leads into a module of the same crate."""
        segments = list(segments)
        if segments[0] == "crate":
            return (here[0], *segments[1:])
        if segments[0] in ("self", "super"):
            base = list(here)
            while segments and segments[0] in ("self", "super"):
                if segments.pop(0) == "super":
                    base.pop()
            return (*base, *segments) if base else None
        return (*here, *segments) if (*here, segments[0]) in self.modules else None

    def imports(self, path):
        """The files that a file takes names from."""
        here = module_of(path)
        body = USE.sub("", self.code[path])
        inline = [self.absolute(here, found.split("::")) for found in PATH.findall(body)]
        found = {self.file_of(target) for target in (*self.taken[path], *inline) if target}
        return {other for other in found - {path, None} if not is_inside(here, module_of(other))}

    def file_of(self, target):
        """The file that defines what a path names."""
        for _ in range(8):
            for length in range(len(target), 0, -1):
                if target[:length] in self.passed_on:
                    target = (*self.passed_on[target[:length]], *target[length:])
                    break
                if target[:length] in self.modules:
                    return self.modules[target[:length]]
            else:
                return None
        return None

    def circles(self):
        """Sets of files of which each leads to each, the largest first (Kosaraju)."""
        order, seen = [], set()
        for start in sorted(self.edges):
            walk = [(start, iter(sorted(self.edges[start])))] if start not in seen else []
            seen.add(start)
            while walk:
                node, rest = walk[-1]
                following = next((other for other in rest if other not in seen), None)
                if following is None:
                    order.append(walk.pop()[0])
                else:
                    seen.add(following)
                    walk.append((following, iter(sorted(self.edges[following]))))
        importers = {path: {other for other in self.edges if path in self.edges[other]} for path in self.edges}
        found, left = [], set(self.edges)
        for start in reversed(order):
            circle, front = set(), [start] if start in left else []
            while front:
                node = front.pop()
                if node in left:
                    left.discard(node)
                    circle.add(node)
                    front.extend(importers[node] & left)
            if len(circle) > 1:
                found.append(sorted(circle))
        return sorted(found, key=len, reverse=True)
