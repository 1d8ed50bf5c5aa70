#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Images by name from a real registry, Debian's docker-registry on the loopback interface, with TLS and a
# password; and what other engines save. One guest is booted at the end.
. "$(dirname "$0")/../tools/lib.sh"

need docker-registry skopeo umoci busybox htpasswd openssl python3
work=$tmp/work
chmod 711 "$tmp"
mkdir -p "$work" "$tmp/home"
export HOME="$tmp/home" XDG_RUNTIME_DIR="$tmp/home" LIBVIRT_DEFAULT_URI=embed
unset DOCKER_CONFIG REGISTRY_AUTH_FILE CONTAINERS_REGISTRIES_CONF http_proxy https_proxy
REGISTRY=0 PROXY=0

end() {
	[ "$1" -eq 0 ] || kill -9 "$1" 2>/dev/null
}
trap 'end $REGISTRY; end $PROXY; rm -rf "$tmp"' EXIT

# wait_for WORDS COMMAND...: until it succeeds
wait_for() {
	words=$1
	shift
	for _ in $(seq 600); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	fail "$words: never"
	return 1
}

# ---- the registry ----

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_registry() {
	docker-registry serve "$work/registry.yml" >>"$work/registry.log" 2>&1 &
	REGISTRY=$!
	wait_for "the registry listens" python3 -c "import socket; socket.create_connection(('127.0.0.1', $PORT))"
}

PORT=$(free_port) FAR=$(free_port)
mkdir -p "$work/certs" "$work/none"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
	-keyout "$work/server.key" -out "$work/certs/ca.crt" 2>"$tmp/log" || skip "no certificate: $(cat "$tmp/log")"
htpasswd -Bbn -C 4 user right >"$work/htpasswd" 2>"$tmp/log" || skip "no htpasswd: $(cat "$tmp/log")"
cat >"$work/registry.yml" <<END
version: 0.1
storage: {filesystem: {rootdirectory: $work/registry}, delete: {enabled: true}}
http:
  addr: 127.0.0.1:$PORT
  tls: {certificate: $work/certs/ca.crt, key: $work/server.key}
auth: {htpasswd: {realm: test, path: $work/htpasswd}}
END
start_registry

# ---- images ----

# image TAG FILE...: the layout's image TAG has busybox in one layer and each file in one of its own
image() {
	tag=$1
	shift
	umoci new --image "$work/oci:$tag" &&
		umoci insert --rootless --image "$work/oci:$tag" "$work/root" / &&
		for file; do
			umoci insert --rootless --image "$work/oci:$tag" "$work/$file" "/$file" || return
		done
	umoci config --image "$work/oci:$tag" --config.cmd /bin/sh --config.cmd -c \
		--config.cmd 'cat /data* | wc -c'
} >>"$tmp/log" 2>&1

push() {
	skopeo copy --quiet --dest-cert-dir "$work/certs" --dest-creds user:right "$@" >>"$tmp/log" 2>&1 ||
		fail "skopeo copy $*: $(tail -n 3 "$tmp/log")"
}

mkdir -p "$work/root/bin"
cp "$(command -v busybox)" "$work/root/bin/busybox"
for applet in sh cat wc; do
	ln -s busybox "$work/root/bin/$applet"
done
head -c 3000 /dev/urandom >"$work/data1"
head -c 4000 /dev/urandom >"$work/data2"
head -c 6000000 /dev/urandom >"$work/data3"
umoci init --layout "$work/oci"
image 1 data1 && image 2 data1 data2 && image 3 data1 data3 || skip "no images: $(cat "$tmp/log")"
name=localhost:$PORT/team/app
# a name under localhost/ is of no registry; with a port it is
push "oci:$work/oci:1" "docker://$name:tag"
push -f v2s2 "oci:$work/oci:1" "docker://$name:docker"

pull() {
	vmboot pull --cert-dir "$work/certs" --creds user:right "$@"
}

blobs() {
	find "$VMBOOT_STORE/blobs/sha256" -type f 2>/dev/null | wc -l
}

left() {
	find "$VMBOOT_STORE/images" -name '*.tmp-*'
}

served() { # how many blobs the registry was asked for
	grep -c '"GET /v2/team/app/blobs/' "$work/registry.log"
}

digest() {
	vmboot images --json | python3 -c 'import json, sys
print([i["digest"] for i in json.load(sys.stdin) if i["name"] == sys.argv[1]][0])' "$1"
}

# ---- by tag and digest, as it changes ----

expect 0 pull "$name:tag" && has out "$name:tag"
first=$(digest "$name:tag")
[ "$first" = "sha256:$(skopeo inspect --cert-dir "$work/certs" --creds user:right --raw "docker://$name:tag" |
	sha256sum | cut -d' ' -f1)" ] || fail "the digest $first is not the registry's"
n=$(blobs) asked=$(served)
expect 0 pull "$name:tag"
[ "$(served)" -eq "$asked" ] || fail "what did not change was fetched again"
expect 0 pull "$name:docker"
[ "$(digest "$name:docker")" != "$first" ] || fail "Docker's manifest has the digest of OCI's"
expect 0 vmboot rmi "$name:docker"
[ "$(blobs)" -eq "$n" ] || fail "$(blobs) blobs are left of $n"

push "oci:$work/oci:2" "docker://$name:tag"
asked=$(served)
expect 0 pull "$name:tag"
[ "$(digest "$name:tag")" != "$first" ] || fail "the tag did not move"
[ $(($(served) - asked)) -eq 2 ] || fail "not one layer and a config were fetched: $(($(served) - asked))"

expect 0 pull "$name@$first" && has out "$name@$first"
[ "$(digest "$name@$first")" = "$first" ] || fail "not that digest"
expect 1 pull "$name@sha256:$(printf %064d 1)" && has err "no such image"
expect 1 pull "$name:nothing" && has err "no such image" "$name:nothing"

# ---- who may ----

expect 1 vmboot pull --cert-dir "$work/certs" --creds user:wrong "$name:docker" &&
	has err "check the user and the password"
! grep -q wrong "$tmp/err" || fail "the password is in the message"
expect 1 vmboot pull --cert-dir "$work/certs" "$name:docker" && has err "check the user and the password"
expect 1 vmboot pull --creds user:right "$name:docker" && has err "--cert-dir"
expect 1 vmboot pull --cert-dir "$work/none" --creds user:right "$name:docker" && has err "x509"
expect 0 vmboot pull --tls-verify false --creds user:right "$name:docker"
expect 0 vmboot rmi "$name:docker"
echo right | skopeo login --authfile "$work/auth.json" --cert-dir "$work/certs" -u user --password-stdin \
	"localhost:$PORT" >>"$tmp/log" 2>&1 || fail "skopeo login: $(tail -n 1 "$tmp/log")"
expect 0 vmboot pull --cert-dir "$work/certs" --authfile "$work/auth.json" "$name:docker"
expect 0 vmboot rmi "$name:docker"
mkdir -p "$HOME/.config/containers/certs.d/localhost:$PORT" "$HOME/containers"
cp "$work/certs/ca.crt" "$HOME/.config/containers/certs.d/localhost:$PORT"
cp "$work/auth.json" "$HOME/containers/auth.json"
expect 0 vmboot pull "$name:docker" # as configured for podman

# ---- when ----

# run_without_kernel FLAG...: pulls, or not, and then goes no further
run_without_kernel() {
	expect 125 vmboot run --kernel /no/such/kernel "$@" && has err /no/such/kernel
}
now=$(digest "$name:docker")
push "oci:$work/oci:2" "docker://$name:docker"
run_without_kernel "$name:docker"
run_without_kernel --pull never "$name:docker"
[ "$(digest "$name:docker")" = "$now" ] || fail "what is not missing was pulled"
run_without_kernel --pull newer "$name:docker"
[ "$(digest "$name:docker")" != "$now" ] || fail "newer pulled nothing"
push "oci:$work/oci:1" "docker://$name:docker"
now=$(digest "$name:docker")
run_without_kernel --pull always "$name:docker"
[ "$(digest "$name:docker")" != "$now" ] || fail "always pulled nothing"
expect 0 vmboot rmi "$name:docker"

# ---- content that is not what it is called ----

file_of() { # the registry's file of the last layer of an image
	hex=$(skopeo inspect --raw "docker://$1" | sed 's/.*sha256:\([0-9a-f]*\).*/\1/')
	echo "$work/registry/docker/registry/v2/blobs/sha256/$(echo "$hex" | cut -c1-2)/$hex/data"
}
push "oci:$work/oci:3" "docker://$name:lies"
n=$(blobs)
lie=$(file_of "$name:lies")
cp "$lie" "$work/good"
printf lies | dd of="$lie" bs=1 seek=100 conv=notrunc 2>/dev/null
expect 1 pull "$name:lies" && has err "$name:lies"
head -c 1000000 "$work/good" >"$lie"
expect 1 pull "$name:lies" && has err "$name:lies"
{ cat "$work/good" && head -c 1000000 /dev/zero; } >"$lie"
expect 1 pull "$name:lies" && has err "$name:lies"
[ -z "$(left)" ] || fail "half-made files are left: $(left)"
[ ! -e "$VMBOOT_STORE/blobs/sha256/$(basename "$(dirname "$lie")")" ] || fail "a blob that lies is in the store"
cp "$work/good" "$lie"
expect 0 pull "$name:lies"
expect 0 vmboot rmi "$name:lies"

# one that the store's own disk spoiled is fetched again
find "$VMBOOT_STORE/blobs/sha256" -size +1000k | while IFS= read -r blob; do
	printf spoiled | dd of="$blob" bs=1 seek=100 conv=notrunc 2>/dev/null
done
expect 1 pull "$name:lies" && has err "is damaged" "try again"
expect 0 pull "$name:lies"
expect 0 vmboot rmi "$name:lies"

# ---- a registry that stalls, and is gone in the middle ----

cat >"$work/proxy.py" <<'END'
"""Passes at most LIMIT bytes of each connection on to the client; the rest never comes."""
import socket, sys, threading

port, to, limit = (int(a) for a in sys.argv[1:])

def pump(a, b, left):
    try:
        while left > 0 and (data := a.recv(min(left, 65536))):
            left -= len(data)
            b.sendall(data)
        while a.recv(65536, socket.MSG_PEEK) and left <= 0:
            threading.Event().wait(0.1)
    except OSError:
        pass
    for s in (a, b):
        s.close()

server = socket.create_server(("127.0.0.1", port))
while True:
    client = server.accept()[0]
    try:
        there = socket.create_connection(("127.0.0.1", to))
    except OSError:
        client.close()
        continue
    threading.Thread(target=pump, args=(client, there, 1 << 60), daemon=True).start()
    threading.Thread(target=pump, args=(there, client, limit), daemon=True).start()
END
python3 "$work/proxy.py" "$FAR" "$PORT" 3000000 &
PROXY=$!
wait_for "the proxy listens" python3 -c "import socket; socket.create_connection(('127.0.0.1', $FAR))"
push "oci:$work/oci:3" "docker://$name:big"
far=localhost:$FAR/team/app
half() { # a part of the large layer came
	find "$VMBOOT_STORE/images" -path '*.tmp-*' -type f -size +1000k | grep -q .
}

pull "$far:big" >"$tmp/pull.out" 2>&1 &
client=$!
wait_for "half of a layer comes" half
asked=$(served)
end $REGISTRY
kill -9 $PROXY
wait $client && fail "a pull from a registry that is gone succeeded"
wait $REGISTRY $PROXY 2>/dev/null
REGISTRY=0 PROXY=0
grep -q "$far" "$tmp/pull.out" || fail "the message is: $(cat "$tmp/pull.out")"
[ -z "$(left)" ] || fail "half-made files are left: $(left)"
expect 1 pull --quiet "$name:big" && has err "connection refused"
expect 125 env VMBOOT_STORE="$tmp/other" vmboot run --pull never "$name:tag" && has err "vmboot pull"
start_registry
whole=$(blobs)
[ "$whole" -gt 0 ] || fail "no whole layer is left"
asked=$(served)
expect 0 pull "$name:big"
[ $(($(served) - asked)) -le 2 ] || fail "layers that were whole were fetched again: $(($(served) - asked))"
expect 0 vmboot rmi "$name:big"

# ---- Ctrl-C ----
python3 "$work/proxy.py" "$FAR" "$PORT" 3000000 &
PROXY=$!
wait_for "the proxy listens" python3 -c "import socket; socket.create_connection(('127.0.0.1', $FAR))"
python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' \
	vmboot pull --cert-dir "$work/certs" --creds user:right "$far:big" >"$tmp/pull.out" 2>&1 &
client=$!
wait_for "half of a layer comes" half
! tr '\0' ' ' <"/proc/$client/cmdline" | grep -q right || fail "the password is in the arguments"
! grep -qs right /proc/[0-9]*/cmdline || fail "a password is in arguments: $(grep -ls right /proc/[0-9]*/cmdline)"
kill -INT $client
status=0
wait $client || status=$?
[ $status -eq 130 ] || fail "exit $status after Ctrl-C: $(cat "$tmp/pull.out")"
[ -z "$(left)" ] || fail "half-made files are left: $(left)"

# ---- Python ----

cat >"$work/pull.py" <<'END'
import asyncio, sys, vmboot
far, name, certs = sys.argv[1:]
how = {"cert_dir": certs, "creds": "user:right"}

try:
    vmboot.images.pull(far, timeout=2, **how)
    sys.exit("a registry that stalls gave an image")
except vmboot.errors.Timeout as error:
    print(error)

async def main():
    half = asyncio.Event()
    loop = asyncio.get_running_loop()
    def progress(what, done, total):
        if "layers" in what and done > 1000000:
            loop.call_soon_threadsafe(half.set)
    task = asyncio.create_task(vmboot.aio.pull(far, progress=progress, **how))
    await asyncio.wait_for(half.wait(), 60)
    task.cancel()
    try:
        await task
        sys.exit("it was not cancelled")
    except asyncio.CancelledError:
        pass
    seen = []
    image = await vmboot.aio.pull(name, progress=lambda *args: seen.append(args), **how)
    assert image.name == name, image
    assert any("of 3 layers" in what for what, _, _ in seen), seen
    assert all(done <= total for _, done, total in seen), seen
    assert vmboot.images.pull(name, name="other", **how).digest == image.digest

asyncio.run(main())
END
export VMBOOT_LIBRARY="$builddir/libvmboot/.libs/libvmboot.so" PYTHONPATH="$srcdir/bindings/python/src"
asked=$(served)
expect 0 timeout 120 env PYTHONDONTWRITEBYTECODE=1 python3 "$work/pull.py" "$far:big" "$name:big" "$work/certs"
[ -z "$(left)" ] || fail "half-made files are left: $(left)"
end $PROXY
wait $PROXY 2>/dev/null
PROXY=0

expect 0 vmboot rmi "$name:big" other
expect 0 pull "$name:big"

# ---- names: aliases, search and mirrors of registries.conf ----

cat >"$work/registries.conf" <<END
unqualified-search-registries = ["localhost:$FAR", "localhost:$PORT"]
[[registry]]
location = "mirrored.example/team"
[[registry.mirror]]
location = "localhost:$PORT/team"
[aliases]
"short" = "localhost:$PORT/team/app"
END
export CONTAINERS_REGISTRIES_CONF="$work/registries.conf"
expect 0 vmboot pull mirrored.example/team/app:tag && has out mirrored.example/team/app:tag
expect 0 vmboot pull short:tag && has out "$name:tag"
expect 0 vmboot pull team/app:tag && has out "$name:tag"
expect 1 vmboot pull team/none && has err "no registry has team/none" "localhost:$FAR" "no such image"
expect 0 vmboot plan short:tag -- /bin/sh && has out '"localhost:'
unset CONTAINERS_REGISTRIES_CONF

# ---- platforms ----

for arch in arm64 amd64; do
	umoci config --image "$work/oci:$arch" --architecture $arch 2>/dev/null ||
		{ umoci tag --image "$work/oci:1" "$arch" && umoci config --image "$work/oci:$arch" --architecture $arch; }
	push "oci:$work/oci:$arch" "docker://$name:$arch"
done >>"$tmp/log" 2>&1
python3 - "$work" <<'END'
import hashlib, json, os, sys
oci = sys.argv[1] + "/oci"
top = json.load(open(oci + "/index.json"))
both = []
for entry in top["manifests"]:
    tag = entry["annotations"]["org.opencontainers.image.ref.name"]
    if tag in ("arm64", "amd64"):
        entry = dict(entry, platform={"os": "linux", "architecture": tag})
        del entry["annotations"]
        both.append(entry)
text = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": both}).encode()
hex = hashlib.sha256(text).hexdigest()
open(oci + "/blobs/sha256/" + hex, "wb").write(text)
top["manifests"].append({"mediaType": "application/vnd.oci.image.index.v1+json", "digest": "sha256:" + hex,
    "size": len(text), "annotations": {"org.opencontainers.image.ref.name": "both"}})
json.dump(top, open(oci + "/index.json", "w"))
END
push --all "oci:$work/oci:both" "docker://$name:both"
expect 0 pull "$name:both"
expect 0 pull --name foreign --platform linux/arm64 "$name:both" && has out localhost/foreign:latest
[ "$(digest localhost/foreign:latest)" != "$(digest "$name:both")" ] || fail "both platforms are one image"
expect 125 vmboot run foreign && has err "arm64" "this host is"
expect 2 vmboot run --platform linux/arm64 "$name:both" && has err "cannot run here"
expect 1 pull --platform linux/s390x "$name:both" && has err "no image for linux/s390x" linux/arm64
expect 1 pull --platform linux/arm64 "$name:amd64" && has err "is for amd64"

# ---- what others save ----

skopeo copy --quiet "oci:$work/oci:1" "docker-archive:$work/saved.tar:team/saved:1" >>"$tmp/log" 2>&1
skopeo copy --quiet "oci:$work/oci:1" "oci-archive:$work/layout.tar:1" >>"$tmp/log" 2>&1
skopeo copy --quiet "oci:$work/oci:1" "dir:$work/dir" >>"$tmp/log" 2>&1
expect 0 vmboot import "docker-archive:$work/saved.tar" && has out localhost/saved:latest
expect 0 vmboot import "docker-archive:$work/saved.tar:team/saved:1" && has out docker.io/team/saved:1
expect 0 vmboot import --name as-tar "tar:$work/saved.tar"
[ "$(digest localhost/as-tar:latest)" = "$(digest localhost/saved:latest)" ] || fail "tar: of a saved image is another"
expect 0 vmboot import --name as-tar "tar:$work/layout.tar" && has out localhost/as-tar:latest
expect 0 vmboot import "oci-archive:$work/layout.tar:1" && has out localhost/layout:1
expect 0 vmboot import "skopeo-dir:$work/dir" && has out localhost/dir:latest
expect 1 vmboot import "docker-daemon:none:1" && has err "cannot read docker-daemon:none:1"

# buildah builds, where it works, and pushes
export CONTAINERS_STORAGE_CONF="$work/storage.conf"
cat >"$CONTAINERS_STORAGE_CONF" <<END
[storage]
driver = "vfs"
graphroot = "$work/graph"
runroot = "$work/run"
END
builds() {
	command -v buildah && container=$(buildah from scratch) && buildah copy "$container" "$work/root" / &&
		buildah config --cmd "cat /data" "$container" && buildah commit "$container" localhost/built:1
}
if builds >"$tmp/log" 2>&1; then
	expect 0 vmboot import containers-storage:localhost/built:1 && has out localhost/built:1
	buildah push --quiet --cert-dir "$work/certs" --creds user:right localhost/built:1 \
		"docker://localhost:$PORT/team/built:1" >>"$tmp/log" 2>&1 || fail "buildah push: $(tail -n 2 "$tmp/log")"
	expect 0 pull "localhost:$PORT/team/built:1"
else
	not_tried "buildah does not work here: $(tail -n 1 "$tmp/log")"
fi

# ---- what is left, and a guest ----

for image in $(vmboot images -q | grep -v "^$name:tag"); do
	expect 0 vmboot rmi "$image"
done
expect 0 vmboot rmi "$name:tag"
[ "$(blobs)" -eq 0 ] || fail "$(blobs) blobs are left without an image"

ls /boot/vmlinuz-* >/dev/null 2>&1 || { not_tried "no kernel is installed here"; done_testing; }
expect 0 vmboot run --rm --cert-dir "$work/certs" --creds user:right "$name:tag" && has out 7000
push "oci:$work/oci:1" "docker://$name:tag"
done_testing
