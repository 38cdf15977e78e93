"""apt for our modules: waits for locks, says what went wrong in apt's own words."""

from __future__ import annotations

import re
import time

ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    # Ubuntu's needrestart would restart docker and with it every container.
    "NEEDRESTART_SUSPEND": "1",
    "LC_ALL": "C.UTF-8",
}
REAL_ERROR = re.compile(
    r"^(E:|dpkg: error|Err:|W: (GPG|Failed)|Waiting for cache lock|Error! |Consult |"
    r".*(error|Error)[: ].*|.* unmet dependencies.*)"
)
COLORS = re.compile(r"\x1b\[[0-9;]*m")
UNMET = re.compile(r".*\b(Depends|Conflicts|Breaks): .*")
DEPENDS = re.compile(r"(Pre-)?Depends:")
TIED = re.compile(r"([a-z0-9][a-z0-9+.-]+)(?::\w+)? \(= ([^)]+)\)")
BOUND = re.compile(r"([a-z0-9][a-z0-9+.-]+)(?::\w+)? \((>=|<=|>>|<<|=) ([^)]+)\)")
UNREAD = re.compile(r"[WE]: (GPG error|Failed to fetch|An error occurred during the signature)")
STALE = "Unable to fetch some archives"
BUSY = re.compile(r"Could not get lock|Unable to acquire the dpkg frontend lock|is another process using it")


class AptError(Exception):
    """apt refused; the message holds the lines that say why."""


class Apt:
    """apt-get, dpkg-query and apt-mark of this host."""

    def __init__(self, module, lock_seconds=300):
        self.module = module
        self.lock_seconds = lock_seconds
        module.run_command_environ_update = ENVIRONMENT

    def installed(self):
        """Return {package: version} of what is installed."""
        listing = self._output("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\\n")
        fields = (line.split(" ") for line in listing.splitlines())
        return {name: version for status, name, version in fields if status == "installed"}

    def present(self):
        """Return {package: version} of what is on the host in any state, half-configured packages among it."""
        listing = self._output("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\\n")
        fields = (line.split(" ") for line in listing.splitlines())
        return {name: version for status, name, version in fields if version and status != "config-files"}

    def removed(self):
        """Return the names of packages that were removed and have left their settings behind."""
        listing = self._output("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\\n")
        fields = (line.split(" ") for line in listing.splitlines())
        return {name for status, name in fields if status == "config-files"}

    def held(self):
        """Return the names of the packages on hold."""
        return set(self._output("apt-mark", "showhold").split())

    def hold(self, names):
        """Put packages on hold."""
        self._mark("hold", names)

    def unhold(self, names):
        """Take packages off hold."""
        self._mark("unhold", names)

    def _mark(self, verb, names):
        """Run apt-mark. apt-get waits for dpkg's lock, apt-mark doesn't."""
        deadline = time.monotonic() + self.lock_seconds
        while True:
            try:
                self._output("apt-mark", verb, *sorted(names))
                return
            except AptError as error:
                if "locked by another process" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(1)

    def versions(self, name):
        """Return the versions of a package that the sources offer, the best first."""
        listing = self._output("apt-cache", "madison", name)
        return list(dict.fromkeys(line.split("|")[1].strip() for line in listing.splitlines() if "|" in line))

    def offered_by(self, source):
        """Return {package: versions} that one file of package sources offers, by the lists as they were last read."""
        found = {}
        targets = self._output(
            "apt-get", "indextargets", "--format", "$(SOURCESENTRY) $(FILENAME)", "Created-By: Packages"
        )
        for line in targets.splitlines():
            entry, _, path = line.partition(" ")
            if entry.rpartition(":")[0] != source:
                continue
            for stanza in self._output("/usr/lib/apt/apt-helper", "cat-file", path).split("\n\n"):
                fields = dict(
                    line.split(": ", 1)
                    for line in stanza.splitlines()
                    if line.startswith(("Package: ", "Version: "))
                )
                if len(fields) == 2:
                    found.setdefault(fields["Package"], set()).add(fields["Version"])
        return found

    def sources_of(self, name, version):
        """Return how many package sources offer a version of a package."""
        lines = self._output("apt-cache", "madison", name).splitlines()
        return sum(line.split("|")[1].strip() == version for line in lines if line.count("|") == 2)

    def depends(self, name, version):
        """Return the dependencies tied to one version, as lists of alternatives (package, version)."""
        text = self._output("apt-cache", "show", f"{name}={version}", check=False)
        fields = [line.partition(":")[2] for line in text.splitlines() if DEPENDS.match(line)]
        groups = [TIED.findall(group) for field in fields for group in field.split(",")]
        return [group for group in groups if group]

    def needs(self, name, version):
        """Return the names of all packages that a version of a package depends on."""
        text = self._output("apt-cache", "show", f"{name}={version}", check=False)
        fields = [line.partition(":")[2] for line in text.splitlines() if DEPENDS.match(line)]
        return {
            word.split()[0].partition(":")[0]
            for field in fields
            for word in re.split(r"[,|]", field)
            if word.strip()
        }

    def admits(self, name, version, chosen):
        """Tell whether a version of a package takes the versions that are chosen of the packages it depends on."""
        text = self._output("apt-cache", "show", f"{name}={version}", check=False)
        bounds = [bound for line in text.splitlines() if DEPENDS.match(line) for bound in BOUND.findall(line)]
        return all(
            self.module.run_command(["dpkg", "--compare-versions", chosen[other], relation, limit])[0] == 0
            for other, relation, limit in bounds
            if chosen.get(other)
        )

    def download(self, name, version, folder):
        """Fetch a package's file into a folder; a source that has it no more is no error here."""
        command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", f"{name}={version}"]
        self.module.run_command(command, cwd=folder)

    def update(self, source=None):
        """Read the package lists; with source, those of that one file under sources.list.d.

        Return what apt says of sources that it could not read: it goes on with their old lists.
        """
        only = ["-o", f"Dir::Etc::sourcelist={source}", "-o", "Dir::Etc::sourceparts=-"] if source else []
        keep = ["-o", "APT::Get::List-Cleanup=0"] if source else []
        mode = "APT::Update::Error-Mode=any" if source else "Acquire::Retries=2"
        _, complaints = self._apt_get_both("update", *only, *keep, "-o", mode)
        return [line.strip() for line in complaints.splitlines() if UNREAD.match(line)]

    def install(self, *wanted, simulate=False):
        """Install "name", "name=version" or a file; "name-" removes. simulate changes nothing.

        Return apt's list of what it does.
        """
        options = [
            "--no-install-recommends",
            "--allow-downgrades",
            "--allow-change-held-packages",
            "-y",
            "-q",
        ]
        options += ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]
        # Files are given by path where a driver is gone back to; what is downloaded is what a later one goes back to.
        options += ["-o", "APT::Sandbox::User=root", "-o", "APT::Keep-Downloaded-Packages=true"]
        try:
            return self._apt_get(*(["--simulate"] if simulate else []), *options, "install", *wanted)
        except AptError as error:
            cut_off, stale = "dpkg --configure -a" in str(error), STALE in str(error)
            if simulate or not (cut_off or stale):
                raise
        if cut_off:
            # An earlier run was cut off between unpacking and configuring: finish it, then go on.
            self._output("dpkg", "--configure", "-a")
        if stale:
            # The source has moved on since its lists were read.
            self.update()
        return self._apt_get(*options, "install", *wanted)

    def remove(self, *names, purge=False, simulate=False):
        """Remove packages, with purge their settings too. Return apt's list of what it does."""
        options = ["--allow-change-held-packages", "-y", "-q", *(["--purge"] if purge else [])]
        return self._apt_get(*(["--simulate"] if simulate else []), *options, "remove", *names)

    def _apt_get(self, *arguments):
        """Run apt-get and return what it printed."""
        return self._apt_get_both(*arguments)[0]

    def _apt_get_both(self, *arguments):
        """Return output and complaints. The lock of the lists knows no waiting of its own, so wait for it here."""
        deadline = time.monotonic() + self.lock_seconds
        command = ["apt-get", "-o", f"DPkg::Lock::Timeout={self.lock_seconds}", *arguments]
        while True:
            rc, out, err = self.module.run_command(command)
            if rc == 0:
                return out, err
            if not BUSY.search(err) or time.monotonic() > deadline:
                raise AptError(self._why(command, out, err))
            time.sleep(2)

    def _output(self, *command, check=True):
        rc, out, err = self.module.run_command(list(command))
        if check and rc:
            raise AptError(self._why(command, out, err))
        return out

    @staticmethod
    def _why(command, out, err):
        words = [word for word in command if not word.startswith("-") and "::" not in word]
        words = words if len(words) < 6 else [*words[:5], "…"]
        text = COLORS.sub("", err + "\n" + out)
        lines = list(dict.fromkeys(line.strip() for line in text.splitlines()))
        errors = [line for line in lines if REAL_ERROR.match(line) or UNMET.match(line)]
        errors = errors or [line for line in lines if line][-3:]
        return f"{' '.join(words)}: " + "\n".join(errors[:8])


def upstream(version):
    """Return the upstream part of a Debian version: "580.95.05" of "1:580.95.05-0ubuntu1"."""
    return version.split(":", 1)[-1].rsplit("-", 1)[0]
