# SPDX-License-Identifier: LGPL-2.1-or-later
# What the shell tests share; to be sourced. Each has a folder of its own, $tmp, that goes with it.

# shellcheck shell=sh disable=SC2034
set -u
builddir=${TEST_BUILDDIR:-$(pwd)}
testsdir=${TEST_SRCDIR:-$(cd "$(dirname "$0")/.." && pwd)}
srcdir=$(cd "$testsdir/.." && pwd)
# short, so that the embedded driver needs no link to it
tmp=$(mktemp -d /tmp/vmt-XXXXXX) || exit 99
trap 'rm -rf "$tmp"' EXIT
trap 'exit 99' HUP INT TERM
PATH=$builddir/tools:$PATH:/usr/sbin:/sbin
export PATH LC_ALL=C.UTF-8 VMBOOT_STORE="$tmp/store"
unset LIBVIRT_DEFAULT_URI
failures=0 not_tried=

fail() {
	echo "FAIL: $*"
	failures=$((failures + 1))
}

skip() {
	echo "SKIP: $*"
	exit 77
}

# This part of a test cannot be tried here: it goes on, and ends with 77 if all else passes.
not_tried() {
	echo "not tried: $*"
	not_tried=$*
}

need() {
	for tool; do
		command -v "$tool" >/dev/null || skip "$tool is not installed"
	done
}

# expect STATUS COMMAND...: runs it with its output in $tmp/out and $tmp/err
expect() {
	expected=$1
	shift
	status=0
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
	[ "$status" -eq "$expected" ] && return 0
	fail "exit $status, not $expected: $*"
	sed 's/^/    /' "$tmp/out" "$tmp/err"
	return 1
}

# has FILE WORDS...: each of the words is in out or err
has() {
	file=$tmp/$1
	shift
	for words; do
		grep -qF -e "$words" "$file" && continue
		fail "no \"$words\" in std$(basename "$file")"
		sed 's/^/    /' "$file"
	done
}

lacks() {
	grep -qF -e "$2" "$tmp/$1" && fail "\"$2\" in std$1"
	return 0
}

# For the trap of a test that boots guests: whatever goes wrong, none outlives it.
remove_guests() {
	for name in $(vmboot ps -aq 2>/dev/null); do
		vmboot rm -f "$name" >/dev/null 2>&1
	done
	rm -rf "$tmp"
}

done_testing() {
	if [ "$failures" -gt 0 ]; then
		echo "$failures failures"
		exit 1
	fi
	[ -z "$not_tried" ] || skip "$not_tried"
	echo "ok"
	exit 0
}

# make_image DIR TAG: an OCI layout with one layer, made by umoci; its config is that of a web
# server that does nothing
make_image() {
	need umoci
	{
		umoci init --layout "$1" &&
			umoci new --image "$1:$2" &&
			umoci unpack --rootless --image "$1:$2" "$1.bundle" &&
			mkdir -p "$1.bundle/rootfs/bin" "$1.bundle/rootfs/srv" &&
			echo "hello" >"$1.bundle/rootfs/srv/index" &&
			printf '#!/bin/sh\n' >"$1.bundle/rootfs/bin/serve" &&
			chmod 755 "$1.bundle/rootfs/bin/serve" &&
			umoci repack --image "$1:$2" "$1.bundle" &&
			umoci config --image "$1:$2" --config.entrypoint /bin/serve \
				--config.cmd /srv --config.env PORT=80 --config.workingdir /srv \
				--config.user 33:33
	} >"$tmp/umoci.log" 2>&1 || {
		cat "$tmp/umoci.log"
		fail "umoci cannot make an image"
		done_testing
	}
}

# make_built_in DIR: what the library looks at of a kernel that is made by docs/fast-kernel.config,
# which are its image's header and its configuration; the image is $built_in
make_built_in() {
	built_in=$1/vmlinuz-0.0.1-built-in
	cp "$srcdir/docs/fast-kernel.config" "$1/config-0.0.1-built-in"
	{
		head -c 497 /dev/zero && printf '\4' # sectors of setup code
		head -c 12 /dev/zero && printf '\125\252\0\0HdrS\17\2' # 0x1fe: boot flag; protocol
		head -c 6 /dev/zero && printf '\0\1' # 0x20e: where the release is, from 0x200
		head -c 240 /dev/zero && printf '0.0.1-built-in' # 0x300
		head -c 4096 /dev/zero
	} >"$built_in"
}

# makefile_value NAME: a variable of the build
makefile_value() {
	sed -n "s/^$1 = //p" "$builddir/Makefile"
}

# install_copy: `make install` below $dest; $root and $lib are its prefix and its folder of
# libraries, and pkg-config finds it. A machine may have another libvmboot installed.
install_copy() {
	dest=$tmp/dest
	unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
	make -s -C "$builddir" install DESTDIR="$dest" >"$tmp/log" 2>&1 || {
		tail -n 20 "$tmp/log"
		fail "make install"
		done_testing
	}
	root=$dest$(makefile_value prefix)
	pc=$(find "$dest" -name vmboot.pc)
	[ -n "$pc" ] || fail "no vmboot.pc is installed"
	lib=$(dirname "$(dirname "$pc")")
	PKG_CONFIG_PATH=$(dirname "$pc")
	PKG_CONFIG_SYSROOT_DIR=$dest
	PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
	PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
	export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS PKG_CONFIG_ALLOW_SYSTEM_LIBS
	export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
}

# libs_of PACKAGE...: flags for packages of the machine beside the installed copy
libs_of() {
	(
		unset PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
		pkg-config --cflags --libs "$@"
	)
}

# build_example NAME: from examples/, as a user would, with warnings as errors, into $tmp/NAME
# without its dot. 1: it cannot be built here, and that was said.
build_example() {
	source=$srcdir/examples/$1
	others=
	standard=-std=gnu11
	compiler=$(makefile_value CC)
	case $1 in
	boot.c) standard=-std=c11 ;;
	*.cc)
		compiler=$(makefile_value CXX)
		standard=-std=c++11
		command -v "${compiler%% *}" >/dev/null || {
			not_tried "$1, there is no C++ compiler"
			return 1
		}
		;;
	glib.c)
		others=$(libs_of gio-unix-2.0 2>/dev/null) || {
			not_tried "$1, libglib2.0-dev is not installed"
			return 1
		}
		;;
	lend.c | define.c) others=$(libs_of libvirt) ;;
	esac
	# shellcheck disable=SC2046,SC2086
	$compiler $standard -Wall -Wextra -Werror $(makefile_value SANITIZE_CFLAGS) -pthread \
		-o "$tmp/$(echo "$1" | tr . -)" "$source" $(pkg-config --cflags --libs vmboot) $others \
		>"$tmp/log" 2>&1 || {
		fail "examples/$1 does not build: $(cat "$tmp/log")"
		return 1
	}
}
