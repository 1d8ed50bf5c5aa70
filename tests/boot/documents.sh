#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each command and program that README.md, the manual and the READMEs of Python and the examples show,
# run with an installed copy and real guests: documents.py, and documents.txt for what it cannot run.
. "$(dirname "$0")/../tools/lib.sh"
. "$(dirname "$0")/../python/lib.sh"

need make pkg-config umoci busybox bash qemu-system-x86_64
ls /boot/vmlinuz-* >/dev/null 2>&1 || skip "no kernel is installed here"
chmod 711 "$tmp"
install_copy
install_python
export LIBVIRT_DEFAULT_URI=embed LIBVIRT_LOG_OUTPUTS=4:file:/dev/null
CC=$(makefile_value CC)
export CC

trap remove_guests EXIT

# pkg-config of a user knows no second root
sed "s|^prefix=.*|prefix=$root|" "$pc" >"$tmp/vmboot.pc"
PKG_CONFIG_PATH=$tmp
unset PKG_CONFIG_SYSROOT_DIR
# and pip is that of the Python which the tests use
mkdir "$tmp/bin"
printf '#!/bin/sh\nexec "%s" -m pip "$@"\n' "$python" >"$tmp/bin/pip"
chmod 755 "$tmp/bin/pip"
PATH=$tmp/bin:$PATH

# What the documents speak of: the images, with a program that answers as node would, and a folder.
work=$tmp/here
mkdir -p "$work/app"
echo 'a program' >"$work/app/app.js"
mkdir -p "$tmp/files/bin" "$tmp/files/srv" "$tmp/files/var/log"
cat >"$tmp/files/bin/node" <<-'END'
	#!/bin/sh
	case $1 in
	-p | --version) echo v20.0.0 ;;
	'') ;; # at the end of its input, which a guest has none of
	*) echo "listening on $PORT"; exec sleep 100000 ;;
	esac
END
chmod 755 "$tmp/files/bin/node"
echo "a boot" >"$tmp/files/var/log/boot"
sh "$testsdir/boot/mkimage.sh" "$tmp" "$tmp/files" >"$tmp/log" 2>&1 || skip "no image: $(cat "$tmp/log")"
umoci config --image "$tmp/image:test" --config.cmd node
for image in node:20 alpine:3.20 web:2; do
	mkdir "$work/${image%:*}"
	cp -R "$tmp/image/." "$work/${image%:*}"
	umoci tag --image "$work/${image%:*}:test" "${image#*:}"
done
expect 0 vmboot import --name alpine:3.20 oci:"$work/alpine:3.20"
expect 0 vmboot import --name node:20 oci:"$work/node:20"

# a whole distribution, made once for all tests
debian=$builddir/tests/boot/debian.tar
[ -e "$debian" ] || make -s -C "$builddir" tests/boot/debian.tar >"$tmp/log" 2>&1 ||
	skip "no Debian: $(cat "$tmp/log")"
ln -s "$debian" "$work/debian.tar"

# the folders that commands of a README stand in, and what they name there
mkdir "$work/bindings" "$work/examples"
cp -R "$srcdir/bindings/python" "$work/bindings/python"
cp "$srcdir"/examples/*.c "$srcdir"/examples/*.cc "$work/examples"
ln -s ../node "$work/examples/node"
expect 0 vmboot run -d --name made --memory-mib 128 alpine:3.20 true
cp "$VMBOOT_STORE/vms/made/config.img" "$work"
expect 0 vmboot rm -f made

PIP_NO_INDEX=1 PIP_NO_BUILD_ISOLATION=0 PIP_NO_DEPS=1 PIP_QUIET=1 PIP_TARGET="$tmp/pip" \
	PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
	timeout -k 10 1200 "$python" "$testsdir/boot/documents.py" "$srcdir" "$work" ||
	fail "documents.py: exit $?"
[ -z "$(vmboot ps -aq)" ] || fail "VMs are left: $(vmboot ps -aq)"
done_testing
