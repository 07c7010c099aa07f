#!/usr/bin/env python3
"""Builds the program with each fault of deploy/mutants.toml in turn, and says which tests catch it.

    mutants.py [NAME...]     all, or those whose names hold one of these words
    mutants.py --check       only whether each still has exactly one place

Works on a copy of the tree with build output of its own, both in the cache folder.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
LIST = CHECKOUT / "deploy" / "mutants.toml"
# The longest that the tests of one fault may take; one that comes to no end is caught.
LIMIT_SECONDS = 420


def misplaced(mutants):
    for mutant in mutants:
        count = (CHECKOUT / mutant["file"]).read_text().count(mutant["find"])
        if count != 1:
            yield f"{mutant['name']}: its place stands {count} times in {mutant['file']}"


def sync(tree):
    """Brings the copy up to date; a file that is the same keeps its time, so that it is not built again."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=CHECKOUT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    wanted = {name for name in listed if (CHECKOUT / name).is_file()}
    for found in [path for path in tree.rglob("*") if path.is_file()]:
        if str(found.relative_to(tree)) not in wanted:
            found.unlink()
    for name in wanted:
        source, copy = CHECKOUT / name, tree / name
        if copy.is_file() and copy.read_bytes() == source.read_bytes():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)


def cargo(tree, environment, arguments, limit=None):
    command = ["cargo", "test", "--release", "--workspace", "--no-fail-fast", "--color", "never", *arguments]
    try:
        ran = subprocess.run(
            command, cwd=tree, env=environment, timeout=limit, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
    except subprocess.TimeoutExpired:
        return None, ""
    return ran.returncode, ran.stdout


def targets(names):
    return [word for name in names for word in ([f"--{name}"] if name in ("lib", "bins") else ["--test", name])]


def tried(tree, environment, names):
    """The tests that failed; None where it does not compile."""
    status, said = cargo(tree, environment, [*targets(names), "--no-run"])
    if status != 0:
        sys.stderr.write(said[-3000:])
        return None
    status, said = cargo(tree, environment, targets(names), LIMIT_SECONDS)
    if status is None:
        return ["(the tests came to no end)"]
    return sorted(set(re.findall(r"^test (\S+) \.\.\. FAILED", said, re.M))) or (["(the tests broke off)"] if status else [])


def main():
    mutants = tomllib.loads(LIST.read_text())["mutant"]
    wrong = list(misplaced(mutants))
    for line in wrong:
        print(f"mutants: {line}", file=sys.stderr)
    if wrong or sys.argv[1:] == ["--check"]:
        return 1 if wrong else 0
    words = sys.argv[1:]
    if words:
        mutants = [mutant for mutant in mutants if any(word in mutant["name"] for word in words)]
    place = pathlib.Path(os.environ["ABOVEFOLD_CACHE"]) / "mutants"
    tree, target = place / "tree", place / "target"
    tree.mkdir(parents=True, exist_ok=True)
    built = pathlib.Path(os.environ["CARGO_TARGET_DIR"])
    if not target.is_dir() and built.is_dir():
        print("mutants: taking what is built already as a start", flush=True)
        shutil.copytree(built, target, symlinks=True, ignore=shutil.ignore_patterns("incremental"))
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    sync(tree)
    every = sorted({name for mutant in mutants for name in mutant["tests"]})
    failed = tried(tree, environment, every)
    if failed is None or failed:
        print(f"mutants: without a fault the tests have to pass first: {failed or 'it does not compile'}", file=sys.stderr)
        return 1
    survived = 0
    for mutant in mutants:
        path = tree / mutant["file"]
        whole = path.read_text()
        path.write_text(whole.replace(mutant["find"], mutant["put"]))
        try:
            failed = tried(tree, environment, mutant["tests"])
        finally:
            path.write_text(whole)
        if failed is None:
            verdict, survived = "DOES NOT COMPILE", survived + 1
        elif failed:
            verdict = f"caught by {', '.join(failed)}"
        else:
            verdict, survived = f"SURVIVED {', '.join(mutant['tests'])}", survived + 1
        print(f"{mutant['name']}: {verdict}", flush=True)
    print(f"{len(mutants) - survived} of {len(mutants)} faults caught")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
