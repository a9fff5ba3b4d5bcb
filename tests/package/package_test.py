#!/usr/bin/env python3
"""Makes the Debian package, and runs a job on a root file system that has nothing but the package and what it depends on.

usage: package_test.py BUILD_DIRECTORY SCRATCH_DIRECTORY

The packages that it depends on, and those that they depend on, are copied from this machine file by file, so nothing is
fetched. The root file system is entered by chroot in namespaces of its own.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

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


def copy_package(name, root):
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
    for folder in ("usr/lib", "usr/lib64", "usr/bin", "usr/sbin", "proc", "dev", "tmp", "etc"):
        (root / folder).mkdir(parents=True)
    for link in ("lib", "lib64", "bin", "sbin"):
        (root / link).symlink_to(f"usr/{link}")
    for name in closure(names_in(depends)):
        copy_package(name, root)
    run(["dpkg-deb", "-x", package, root])
    shutil.copy2(build / "jobs" / "test_hello.so", root / "tmp" / "hello.so")
    for device in ("null", "urandom"):
        (root / "dev" / device).touch()

    def inside(*command):
        script = (f"mount -t proc proc {root}/proc && mount --bind /dev/null {root}/dev/null && "
                  f"mount --bind /dev/urandom {root}/dev/urandom && exec chroot {root} \"$@\"")
        namespaces = ["unshare", "--mount", "--pid", "--fork"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        return run(namespaces + ["sh", "-c", script, "sh"] + list(command), env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/tmp"})

    assert "0." in inside("/usr/bin/eagre", "version")
    answer = inside("/usr/bin/eagre", "run", "/tmp/hello.so", "-p", "2", "--", "--count", "5")
    assert "Program execution finished" in answer and '{"value":16}' in answer, answer
    print(f"{package.name} ({package.stat().st_size >> 20} MiB) runs with nothing but what it depends on.")


if __name__ == "__main__":
    main()
