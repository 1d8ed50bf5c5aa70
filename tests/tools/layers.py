#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""layers.py make DIR: an OCI layout, tag "odd", with layers as tools in the field write them.
layers.py list DIR: what is in a folder, a line each, with all that a squashfs keeps."""
import gzip
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import tarfile

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw+ep
FOLDER, FILE, LINK, HARD = tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


class Layer:
    """One layer, as a tar archive that grows."""

    def __init__(self, form=tarfile.PAX_FORMAT):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(
            fileobj=self.buffer, mode="w", format=form, encoding="utf-8", errors="surrogateescape"
        )

    def add(self, name, kind=FILE, data=b"", mode=None, target="", **more):
        """Add an entry; more: members of tarfile.TarInfo, and xattrs."""
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size, info.mtime = kind, target, len(data), 1700000000
        info.mode = mode if mode is not None else 0o755 if kind == FOLDER else 0o644
        for key, value in more.pop("xattrs", {}).items():
            text = value.decode("utf-8", "surrogateescape")
            info.pax_headers["SCHILY.xattr." + key] = text
        for key, value in more.items():
            setattr(info, key, value)
        self.tar.addfile(info, io.BytesIO(data))

    def bytes(self):
        """The whole archive."""
        self.tar.close()
        return self.buffer.getvalue()


def base():
    """What later layers change."""
    layer = Layer()
    for name in ("usr", "usr/lib", "gone", "gone/deep", "opaque", "opaque2", "kept", "swap-dir"):
        layer.add(name, FOLDER)
    layer.add("lib", LINK, target="usr/lib")
    layer.add("lib/below-a-link", data=b"below")
    layer.add("abs", LINK, target="/usr/lib")
    layer.add("abs/below-an-absolute-link", data=b"absolute")
    layer.add("out", LINK, target="../../../usr")
    layer.add("out/below-a-link-that-leads-out", data=b"inside")
    for name in ("gone/a", "gone/deep/b", "opaque/old", "opaque2/old", "kept/a", "kept/b"):
        layer.add(name, data=name.encode())
    layer.add("swap-dir/x", data=b"x")
    layer.add("swap-file", data=b"file")
    layer.add("setuid", data=b"s", mode=0o4755)
    layer.add("setgid-folder", FOLDER, mode=0o2775)
    layer.add("sticky", FOLDER, mode=0o1777)
    layer.add("far-owner", data=b"o", uid=3000000000, gid=2100000)
    layer.add("before-1970", data=b"t", mtime=-86400)
    layer.add("after-2106", data=b"t", mtime=1 << 33)
    layer.add("fraction", data=b"t", mtime=1500000000.75)
    layer.add("xattr", data=b"x", xattrs={"user.nul": b"a\0b\0", "user.high": b"\xff\xfe"})
    layer.add("capability", data=b"c", mode=0o755, xattrs={"security.capability": CAPABILITY})
    layer.add("not-utf8-\udcff\udcfe", data=b"n")
    layer.add("new\nline", data=b"n")
    layer.add("\u00fc-u\u0308", data=b"n")
    layer.add("n" * 255, data=b"long")
    for depth in range(1, 7):
        layer.add("/".join(["path" * 20] * depth), FOLDER)
    layer.add("long-target", LINK, target="/" + "t" * 300)
    layer.add("hard-1", data=b"hard")
    layer.add("hard-2", HARD, target="hard-1")
    layer.add("hard-to-link", HARD, target="lib")
    layer.add("char", tarfile.CHRTYPE, devmajor=1, devminor=3)
    layer.add("block", tarfile.BLKTYPE, devmajor=7, devminor=300)
    layer.add("fifo", tarfile.FIFOTYPE)
    layer.add("twice", data=b"first")
    layer.add("twice", data=b"second", mode=0o600)
    layer.add("./dots/../dotted", data=b"d")
    return layer.bytes()


def changes():
    """Whiteouts, opaque folders before and after their entries, and what takes another's place."""
    layer = Layer(tarfile.GNU_FORMAT)
    layer.add(".wh.gone")
    layer.add("opaque", FOLDER, mode=0o700)
    layer.add("opaque/.wh..wh..opq")
    layer.add("opaque/new", data=b"new")
    layer.add("opaque2/new", data=b"new")
    layer.add("opaque2/.wh..wh..opq")
    layer.add("kept/.wh.a")
    layer.add("kept/.wh.not-there")
    layer.add("swap-dir", data=b"now a file")
    layer.add("swap-file", FOLDER)
    layer.add("swap-file/in", data=b"in")
    layer.add("hard-across", HARD, target="hard-1")
    layer.add("lib/from-above", data=b"above")
    layer.add("far-owner-gnu", data=b"o", uid=3000000000, gid=2100000)
    return layer.bytes()


def sparse(folder):
    """A file with holes, as GNU tar writes it; in its older format umoci knows none."""
    name = f"{folder}/sparse"
    with open(name, "wb") as file:
        for at in (0, 3 << 20, (7 << 20) + 5):
            file.seek(at)
            file.write(b"data")
        file.truncate(16 << 20)
    words = ["tar", "-C", folder, "--format=posix", "--sparse", "--owner=0", "--group=0",
             "--mtime=@1700000000", "-cf", "-", os.path.basename(name)]
    data = subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout
    os.unlink(name)
    return data


def put(folder, data):
    """A blob, and its descriptor."""
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{folder}/blobs/sha256/{digest}", "wb") as file:
        file.write(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def make(folder):
    """The layout."""
    image = "application/vnd.oci.image."
    os.makedirs(f"{folder}/blobs/sha256")
    tars = [base(), changes(), Layer().bytes(), sparse(folder)]
    for i in range(130):
        layer = Layer()
        layer.add(f"many-{i % 7}", data=str(i).encode())
        tars.append(layer.bytes())
    diffs = ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]
    layers = []
    for i, tar in enumerate(tars):
        packed = gzip.compress(tar, 1, mtime=0) if i % 2 == 0 else tar
        kind = "layer.v1.tar+gzip" if i % 2 == 0 else "layer.v1.tar"
        layers.append({"mediaType": image + kind, **put(folder, packed)})
    config = {"os": "linux", "architecture": "amd64", "config": {},
              "rootfs": {"type": "layers", "diff_ids": diffs}}
    described = {"mediaType": image + "config.v1+json", **put(folder, json.dumps(config).encode())}
    manifest = {"schemaVersion": 2, "config": described, "layers": layers}
    top = {"mediaType": image + "manifest.v1+json", **put(folder, json.dumps(manifest).encode()),
           "annotations": {"org.opencontainers.image.ref.name": "odd"}}
    for name, value in (("index.json", {"schemaVersion": 2, "manifests": [top]}),
                        ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
            json.dump(value, file)


def describe(path, name, inodes):
    """One line. Times have 32 bits in a squashfs, and no class of attributes for POSIX ACLs."""
    st = os.lstat(path)
    words = [repr(name), oct(st.st_mode), f"{st.st_uid}:{st.st_gid}"]
    words.append(str(min(max(int(st.st_mtime_ns // 10**9), 0), 2**32 - 1)))
    if stat.S_ISREG(st.st_mode):
        with open(path, "rb") as file:
            words.append(hashlib.sha256(file.read()).hexdigest()[:16])
    elif stat.S_ISLNK(st.st_mode):
        words.append(repr(os.readlink(path)))
    elif not stat.S_ISDIR(st.st_mode):
        words.append(hex(st.st_rdev))
    for key in sorted(os.listxattr(path, follow_symlinks=False)):
        if not key.startswith("system."):
            words.append(f"{key}={os.getxattr(path, key, follow_symlinks=False).hex()}")
    if not stat.S_ISDIR(st.st_mode) and st.st_nlink > 1:
        words.append("is " + repr(inodes.setdefault(st.st_ino, name)))
    return " ".join(words)


def show(root):
    """All lines, sorted."""
    root = os.fsencode(root)
    names = []
    for folder, folders, files in os.walk(root):
        names += [os.path.relpath(os.path.join(folder, name), root) for name in folders + files]
    inodes = {}
    for name in sorted(names):
        print(describe(os.path.join(root, name), name, inodes))


{"make": make, "list": show}[sys.argv[1]](sys.argv[2])
