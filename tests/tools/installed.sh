#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What `make install` installs is enough to build against, and `make uninstall` takes it all away.
. "$(dirname "$0")/lib.sh"

need make pkg-config

value() {
	sed -n "s/^$1 = //p" "$builddir/Makefile"
}
cc=$(value CC)
cxx=$(value CXX)
prefix=$(value prefix)
sanitize=$(value SANITIZE_CFLAGS)
dest=$tmp/dest
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

make -s -C "$builddir" install DESTDIR="$dest" >"$tmp/log" 2>&1 || {
	tail -n 20 "$tmp/log"
	fail "make install"
	done_testing
}
root=$dest$prefix
pc=$(find "$dest" -name vmboot.pc)
[ -n "$pc" ] || fail "no vmboot.pc is installed"
lib=$(dirname "$(dirname "$pc")")
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$dest
LD_LIBRARY_PATH=$lib
PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS PKG_CONFIG_ALLOW_SYSTEM_LIBS
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR

for file in bin/vmboot share/man/man1/vmboot.1 share/man/man3/vmboot.3 \
	share/man/man5/vmboot-request.5 share/man/man7/vmboot-events.7 \
	share/bash-completion/completions/vmboot share/fish/vendor_completions.d/vmboot.fish \
	share/zsh/site-functions/_vmboot; do
	[ -e "$root/$file" ] || fail "$file is not installed"
done
find "$dest" -name vmboot-init -perm -100 | grep -q . || fail "vmboot-init is not installed"
if grep -q '^INSTALL_PYTHON_TRUE = *$' "$builddir/Makefile"; then
	installed=$(find "$dest" -path '*/vmboot/py.typed')
	[ -n "$installed" ] || fail "the Python package is not installed"
	# an interpreter without a sanitizer cannot load a library with one
	[ -n "$sanitize" ] || PYTHONPATH=$(dirname "$(dirname "$installed")") PYTHONDONTWRITEBYTECODE=1 \
		VMBOOT_LIBRARY=$lib "$(value PYTHON)" -c 'import vmboot; print(vmboot.version())' \
		>"$tmp/log" 2>&1 || fail "the Python package that is installed: $(cat "$tmp/log")"
fi
find "$dest" -name '*.a' | grep . && fail "a static library is installed"

# man finds each function and each verb
if command -v man >/dev/null; then
	for name in $(sed -n 's/^\t\(vmboot_[a-z_]*\);$/\1/p' "$srcdir/libvmboot/libvmboot.sym") \
		$(LD_LIBRARY_PATH=$lib "$root/bin/vmboot" help | sed -n 's/^  \([a-z]*\)  .*/vmboot-\1/p'); do
		man -M "$root/share/man" -w "$name" >"$tmp/log" 2>&1 || fail "man $name: $(cat "$tmp/log")"
	done
	MANWIDTH=100 man -M "$root/share/man" vmboot_event_fd 2>&1 </dev/null | grep -q 'vmboot_wait, ' ||
		fail "man vmboot_event_fd does not show vmboot_wait(3)"
fi
if command -v mandoc >/dev/null; then
	make -s -C "$builddir" install-html DESTDIR="$dest" >"$tmp/log" 2>&1 ||
		fail "make install-html: $(cat "$tmp/log")"
	[ -s "$root/share/doc/libvmboot/html/index.html" ] || fail "no index.html is installed"
fi

want=$(sed -n 's/^#define VERSION "\(.*\)"/\1/p' "$builddir/config.h")
[ "$(pkg-config --modversion vmboot)" = "$want" ] || fail "pkg-config does not say $want"
flags=$(pkg-config --cflags --libs vmboot) || fail "pkg-config --cflags --libs vmboot"
cflags=$(pkg-config --cflags vmboot)
pkg-config --libs vmboot | grep -q -e '-lvirt' && fail "vmboot.pc makes callers link libvirt"

# the example, with warnings as errors, as C11 without extensions
# shellcheck disable=SC2086
$cc -std=c11 -Wall -Wextra -Werror $sanitize -o "$tmp/boot" "$srcdir/examples/boot.c" $flags \
	>"$tmp/log" 2>&1 || fail "the example does not build: $(cat "$tmp/log")"
LD_LIBRARY_PATH=$lib ldd "$tmp/boot" 2>&1 | grep -q "$lib/libvmboot" ||
	fail "the example is not linked to the installed library"
[ "$(wc -l <"$srcdir/examples/boot.c")" -lt 40 ] || fail "the example has 40 lines or more"

# each header alone, in C and in C++
headers=$(cd "$root/include" && find vmboot -name '*.h' | sort)
[ "$(echo "$headers" | wc -l)" -ge 8 ] || fail "too few headers: $headers"
for header in $headers; do
	printf '#include <%s>\nint one_of_its_own;\n' "$header" | tee "$tmp/h.cc" >"$tmp/h.c"
	# shellcheck disable=SC2086
	$cc -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only $cflags "$tmp/h.c" \
		>"$tmp/log" 2>&1 || fail "$header alone, in C: $(cat "$tmp/log")"
	# shellcheck disable=SC2086
	[ -z "$cxx" ] || $cxx -std=c++11 -Wall -Wextra -Werror -fsyntax-only $cflags "$tmp/h.cc" \
		>"$tmp/log" 2>&1 || fail "$header alone, in C++: $(cat "$tmp/log")"
done

make -s -C "$builddir" uninstall DESTDIR="$dest" >"$tmp/log" 2>&1 || fail "make uninstall"
find "$dest" ! -type d | grep . && fail "make uninstall leaves something"

done_testing
