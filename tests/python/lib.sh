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

# install_python: behind install_copy, the package into $dest/python, as pip does it; from there on
# what is tested is the library, the command and the package that are installed.
install_python() {
	for module in pip setuptools wheel; do
		"$python" -c "import $module" 2>/dev/null || skip "$python has no $module"
	done
	# pip writes beside what it builds
	cp -R "$srcdir/bindings/python" "$tmp/package"
	chmod -R u+w "$tmp/package"
	"$python" -m pip --disable-pip-version-check install --quiet --no-index --no-deps \
		--no-build-isolation --target "$dest/python" "$tmp/package" >"$tmp/log" 2>&1 || {
		cat "$tmp/log"
		fail "pip install"
		done_testing
	}
	unset VMBOOT_LIBRARY
	VMBOOT_GUEST_DIR=$(dirname "$(find "$dest" -name vmboot-init)")
	export VMBOOT_GUEST_DIR PYTHONPATH="$dest/python" LD_LIBRARY_PATH="$lib" PATH="$root/bin:$PATH"
}
