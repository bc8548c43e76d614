"""Files below a root: the running system's, a mounted image's, or a test's tree."""

import os
import re

MAX_BYTES = 1 << 20
MAX_DPKG_BYTES = 64 << 20


class Tree:
    """Files below a root; what cannot be read is noted once."""

    def __init__(self, root):
        self.root = root
        self.live = os.path.realpath(root) == "/"
        self.warnings = []
        self._dpkg = None

    def path(self, name):
        return os.path.join(self.root, name)

    def warn(self, text):
        if text not in self.warnings:
            self.warnings.append(text)

    def bytes(self, name, limit=MAX_BYTES, needed=False):
        try:
            with open(self.path(name), "rb") as file:
                return file.read(limit)
        except (FileNotFoundError, NotADirectoryError):
            if needed:
                self.warn("/%s is not there" % name)
        except OSError as error:
            self.warn("/%s cannot be read: %s" % (name, error.strerror))
        return b""

    def read(self, name, needed=False):
        """A file's text without NULs and blanks around it; empty when it is not there."""
        return self.bytes(name, needed=needed).decode("utf-8", "replace").strip("\0\n\t ")

    def number(self, name):
        text = self.read(name)
        return int(text) if re.fullmatch("[0-9]{1,18}", text) else 0

    def names(self, folder):
        try:
            return sorted(os.listdir(self.path(folder)))
        except OSError:
            return []

    def matches(self, folder, pattern):
        """The pattern's group in each name of a folder that fits it whole."""
        found = [re.fullmatch(pattern, name) for name in self.names(folder)]
        return [match.group(1) for match in found if match]

    def link(self, name):
        """The name of the file that a symbolic link points to; empty when it is none."""
        try:
            return os.path.basename(os.readlink(self.path(name)))
        except OSError:
            return ""

    def package(self, pattern):
        """Upstream version of the first installed Debian package whose name fits; empty when there is none."""
        if self._dpkg is None:
            self._dpkg = self.bytes("var/lib/dpkg/status", MAX_DPKG_BYTES).decode("utf-8", "replace")
        for start in re.finditer(r"^Package: (?:%s)\n" % pattern, self._dpkg, re.M):
            end = self._dpkg.find("\n\n", start.end())
            fields = self._dpkg[start.end() : end if end >= 0 else None]
            version = re.search(r"^Version: (?:\d+:)?([^\s-]+)", fields, re.M)
            if version and re.search(r"^Status: .* installed$", fields, re.M):
                return version.group(1)
        return ""


def newest(versions):
    return max(versions, key=lambda text: [int(part) for part in re.findall("[0-9]+", text)], default="")
