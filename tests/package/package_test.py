#!/usr/bin/env python3
"""Makes the Debian package, has dpkg install it on a root file system that has nothing but what it depends on and what dpkg
calls, and runs jobs there: a library, and, when what it recommends is there too, a source.

usage: package_test.py BUILD_DIRECTORY SCRATCH_DIRECTORY

The packages that it depends on, and those that they depend on, are copied from this machine file by file, with what dpkg
knows of them, so nothing is fetched. The root file system is entered by chroot in namespaces of its own; where these may not be
made, the test ends with 77, which ctest shows as skipped.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

SKIPPED = 77
# The dependency that is missing at first.
LAST_DEPENDENCY = "librdkafka1"
# Of the packages that no Debian lacks, those that dpkg calls: a shell, ldconfig.
ESSENTIAL = ["dash", "libc-bin"]
# What a dependency brings beyond what runs.
NOT_COPIED = ("/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/lintian", "/usr/share/bug")


def run(command, **options):
    """Runs a command that must succeed; its standard output."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if result.returncode != 0:
        sys.exit(f"{command} failed with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


def providers():
    """For each virtual package an installed one that stands for it."""
    table = {}
    for line in run(["dpkg-query", "-W", "-f", "${Package}\t${db:Status-Status}\t${Provides}\n"]).splitlines():
        name, status, provides = line.split("\t")
        if status == "installed":
            for entry in filter(None, (part.strip() for part in provides.split(","))):
                table[re.split(r"[\s(]", entry)[0]] = name
    return table


PROVIDERS = providers()


def names_in(field):
    """The packages of a Depends field, of alternatives the first that is installed."""
    for entry in filter(None, (part.strip() for part in field.split(","))):
        names = [re.split(r"[\s(:]", choice.strip())[0] for choice in entry.split("|")]
        yield next((name for name in names if is_installed(name)), PROVIDERS.get(names[0], names[0]))


def is_installed(name):
    result = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", name], capture_output=True, text=True, check=False)
    return result.returncode == 0 and "installed" in result.stdout.split("not-")[0]


def closure(packages):
    """The packages and all that they depend on."""
    known, waiting = set(), list(packages)
    while waiting:
        name = waiting.pop()
        if name in known:
            continue
        known.add(name)
        fields = subprocess.run(["dpkg-query", "-W", "-f", "${Pre-Depends}, ${Depends}", name], capture_output=True,
                                text=True, check=False).stdout
        waiting += [needed for needed in names_in(fields) if needed not in known]
    return sorted(known)


def add_package(name, root):
    """Copies a package's files; to dpkg it is installed there."""
    copy_files(name, root)
    stanza = run(["dpkg-query", "-s", name])
    database = root / "var/lib/dpkg"
    with open(database / "status", "a", encoding="utf-8") as status:
        status.write(stanza.strip() + "\n\n")
    for suffix in ("", ":" + re.search(r"^Architecture: (\S+)$", stanza, re.M)[1]):
        files = pathlib.Path(f"/var/lib/dpkg/info/{name}{suffix}.list")
        if files.exists():
            shutil.copy2(files, database / "info")


def copy_files(name, root):
    listing = subprocess.run(["dpkg-query", "-L", name], capture_output=True, text=True, check=False).stdout
    for line in listing.splitlines():
        if not line.startswith("/") or line.startswith(NOT_COPIED) or "diverted by" in line:
            continue
        source = pathlib.Path(line)
        # /lib and the like are links into /usr, here and there.
        target = root / (pathlib.Path(os.path.realpath(source.parent)) / source.name).relative_to("/")
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists() and not target.is_symlink():
                shutil.copy2(source, target, follow_symlinks=False)


def main():
    build, scratch = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    namespaces = ["unshare", "--mount", "--pid", "--fork"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    trial = subprocess.run(namespaces + ["mount", "-t", "proc", "proc", scratch], capture_output=True, text=True, check=False)
    if trial.returncode != 0:
        print(f"Skipped: a root file system of one's own needs the right to mount. {trial.stderr}")
        sys.exit(SKIPPED)
    run(["cpack", "-G", "DEB", "--config", build / "CPackConfig.cmake", "-B", scratch / "deb"], cwd=build)
    package = next((scratch / "deb").glob("eagre_*_amd64.deb"))
    depends = run(["dpkg-deb", "-f", package, "Depends"])
    for needed in ("libc6", "libgrpc++", "librdkafka1", "libsimdjson"):
        assert needed in depends, f"{needed} is not among the dependencies: {depends}"
    contents = run(["dpkg-deb", "-c", package])
    for path in ("./usr/bin/eagre", "./usr/lib/libeagre.so", "./usr/include/eagre/eagre/eagre.h", "./usr/share/eagre/job.flags",
                 "./usr/lib/cmake/eagre/eagreConfig.cmake"):
        assert f" {path}\n" in contents, f"{path} is not in the package"

    root = scratch / "root"
    for folder in ("usr/lib", "usr/lib64", "usr/bin", "usr/sbin", "proc", "dev", "tmp", "etc", "var/log", "var/lib/dpkg/info",
                   "var/lib/dpkg/triggers", "var/lib/dpkg/updates"):
        (root / folder).mkdir(parents=True)
    for link in ("lib", "lib64", "bin", "sbin"):
        (root / link).symlink_to(f"usr/{link}")
    (root / "var/lib/dpkg/status").touch()
    for device in ("null", "urandom"):
        (root / "dev" / device).touch()
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/tmp"}

    def dpkg(*arguments):
        command = namespaces + ["dpkg", f"--root={root}", *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def inside(*command):
        script = (f"mount -t proc proc {root}/proc && mount --bind /dev/null {root}/dev/null && "
                  f"mount --bind /dev/urandom {root}/dev/urandom && exec chroot {root} \"$@\"")
        return run(namespaces + ["sh", "-c", script, "sh"] + list(command), env=environment)

    needed = closure(list(names_in(depends)) + ESSENTIAL)
    for name in needed:
        if name != LAST_DEPENDENCY:
            add_package(name, root)
    refused = dpkg("--install", package)
    assert refused.returncode != 0 and f"eagre depends on {LAST_DEPENDENCY}" in refused.stderr, refused
    add_package(LAST_DEPENDENCY, root)
    installed = dpkg("--install", package)
    assert installed.returncode == 0, installed
    assert "Status: install ok installed" in dpkg("--status", "eagre").stdout
    verified = dpkg("--verify", "eagre")
    assert verified.returncode == 0 and not verified.stdout, f"files are not what the package says: {verified}"

    shutil.copy2(build / "jobs" / "test_hello.so", root / "tmp" / "hello.so")
    assert "0." in inside("/usr/bin/eagre", "version")
    answer = inside("/usr/bin/eagre", "run", "/tmp/hello.so", "-p", "2", "--", "--count", "5")
    assert "Program execution finished" in answer and '{"value":16}' in answer, answer
    print(f"{package.name} ({package.stat().st_size >> 20} MiB) runs with nothing but what it depends on.")

    for name in closure(names_in(run(["dpkg-deb", "-f", package, "Recommends"]))):
        if name not in needed:
            add_package(name, root)
    shutil.copy2(pathlib.Path(__file__).parents[1] / "install" / "project" / "words.cc", root / "tmp")
    (root / "tmp" / "words.csv").write_text("text\nsea\nriver\nsea\n")
    inside("/usr/bin/eagre", "run", "/tmp/words.cc", "--", "--input", "/tmp/words.csv", "--output", "/tmp/counts")
    rows = sorted(row for part in (root / "tmp/counts").glob("part-*.csv") for row in part.read_text().splitlines()[1:])
    assert rows == ["river,1", "sea,1", "sea,2"], rows
    print("It compiles jobs with nothing but what it recommends.")

    removed = dpkg("--remove", "eagre")
    assert removed.returncode == 0, removed
    left = [path for path in (root / "usr").rglob("*eagre*")]
    assert not left, f"dpkg leaves these behind: {left}"
    shutil.rmtree(root)  # it is large


if __name__ == "__main__":
    main()
