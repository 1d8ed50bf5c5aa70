#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# virtme-ng, with a Debian as its root folder: a guest is not to write to the host's. It is found as
# `vng`, or in BENCH_VIRTME_NG, a folder with its source. Debian has it from 13 on; elsewhere
# `pip install virtme-ng` brings it. Where only QEMU's own virtiofsd is there, that is called in
# the place of the newer one: kernels of distributions for clouds have no 9p.
. "$(dirname "$0")/common.sh"

title="virtme-ng, a Debian as its root folder"
end="the program's line on vng's standard output"
# shellcheck disable=SC2034 # for common.sh
note="not at its best: Debian's kernel for clouds has no 9p, so its root folder comes by virtiofsd; \
and run from its source, its init is the shell script, not the program in Rust"
packages=(virtme-ng mmdebstrap)
commands=(qemu-system-x86_64 mmdebstrap python3)
slow=yes
old_virtiofsd=/usr/lib/qemu/virtiofsd

need_more() {
	if [ -z "$(find_vng)" ]; then
		echo "no vng (virtme-ng), and BENCH_VIRTME_NG names no folder with its source"
		return 77
	fi
}

find_vng() {
	if [ -n "${BENCH_VIRTME_NG-}" ]; then
		echo "$BENCH_VIRTME_NG/vng"
	else
		command -v vng || :
	fi
}

has_virtiofsd() {
	command -v virtiofsd >/dev/null || [ -x /usr/libexec/virtiofsd ] ||
		{ [ -x "$old_virtiofsd" ] && "$old_virtiofsd" --help | grep -q shared-dir; }
}

# QEMU's daemon before 8.0, under the name and with the flags of the newer one.
make_virtiofsd() {
	mkdir -p "$dir/bin"
	cat >"$dir/bin/virtiofsd" <<-END
		#!/bin/bash
		while [ \$# -gt 0 ]; do
			case \$1 in
			--version | --help) exit 0 ;;
			--socket-path) socket=\$2 && shift ;;
			--shared-dir) source=\$2 && shift ;;
			esac
			shift
		done
		echo \$\$ >"\$socket.pid"
		exec $old_virtiofsd --socket-path="\$socket" -o source="\$source" -o cache=always
	END
	chmod 755 "$dir/bin/virtiofsd"
}

prepare() {
	once debian make_debian
	cp -al "$shared/debian" "$dir/root"
	mkdir -p "$dir/root/lib/modules" "$dir/tmp"
	cp -a "/lib/modules/$BENCH_RELEASE" "$dir/root/lib/modules/"
	has_virtiofsd || make_virtiofsd
}

run() {
	local accel=(--disable-kvm --disable-microvm)

	[ "$BENCH_ACCEL" = kvm ] && accel=()
	export PATH=$dir/bin:$PATH TMPDIR=$dir/tmp
	cd "$dir"
	begin
	exec /usr/bin/python3 "$(find_vng)" --run "$BENCH_KERNEL" "${accel[@]}" --cpus 1 \
		--memory "${memory_mib}M" --root "$dir/root" --exec /mark </dev/null
}

peer "$@"
