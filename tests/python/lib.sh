# SPDX-License-Identifier: LGPL-2.1-or-later
# What tests of the Python package share; to be sourced behind tests/tools/lib.sh.

# shellcheck shell=sh disable=SC2034,SC2154
python=$(sed -n 's/^PYTHON = //p' "$builddir/Makefile")
case $python in
'' | :) skip "Python 3.9 or later is not installed" ;;
esac
[ -e "$builddir/libvmboot/.libs/libvmboot.so.0" ] || skip "a build without shared libraries"
# an interpreter that was not built with a sanitizer cannot load what was
[ -z "$(sed -n 's/^SANITIZE_CFLAGS = *//p' "$builddir/Makefile")" ] ||
	skip "the library is built with sanitizers"
export VMBOOT_LIBRARY="$builddir" PYTHONPATH="$srcdir/bindings/python/src"
export PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=default PYTHONFAULTHANDLER=1
