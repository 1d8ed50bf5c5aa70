# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the peers share; each sources this file, defines what is named here, and calls peer "$@".
#
#   title end     what is booted, and the moment up to which, in words
#   packages      whose absence apt can mend
#   commands      without which it does not run
#   note          what else a reader of the table should know
#   slow          set: it is run less often
#   stored        set: it has its VMs in our store, which is one process's at a time
#   kind          "console", or "ours" if what it runs is wall-ours
#   prepare       makes below $dir what is made once
#   run           calls begin, then becomes the command; its console is standard output
#
#   NAME.sh about              title, end and the like, a line each
#   NAME.sh need [--install]   77, if something is missing; installs by apt-get only with --install
#   NAME.sh prepare DIR
#   NAME.sh run DIR            boots once; DIR/start has the time just before the command
#
# The driver, bench/wall, sets:
#   BENCH_KERNEL    a kernel image; its release is BENCH_RELEASE
#   BENCH_ACCEL     kvm or tcg
#   BENCH_PROGRAM   a static program that prints the line vmboot-bench
#   BENCH_SHARED    a folder for what peers share
#   BENCH_BUILD     the build folder; BENCH_SOURCE, the source
#   BENCH_HEADERS   where that kernel's headers are
#   BENCH_OTHER_KERNEL   the kernel of --kernel, for the rows that end in -kernel
#   BENCH_WRAP      set while instructions are counted: a folder with another qemu-system-x86_64
set -euo pipefail

memory_mib=512
title='' end='' note='' packages=() commands=() slow='' kind=console stored=''
# libvirt's and libguestfs' own words, and Debian's tools
export LC_ALL=C.UTF-8
export PATH=${BENCH_WRAP:+$BENCH_WRAP:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

die() {
	echo "$(basename "$0"): $*" >&2
	exit 1
}

begin() {
	echo "realtime $EPOCHREALTIME" >"$dir/start"
}

# What else is needed, where a peer says so.
need_more() {
	:
}

need() {
	local missing=() command
	if [ "${1-}" = --install ] && [ "${#packages[@]}" -gt 0 ]; then
		DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-remove \
			--no-install-recommends "${packages[@]}" >&2 || :
	fi
	for command in "${commands[@]}"; do
		command -v "$command" >/dev/null || missing+=("$command")
	done
	[ "${#missing[@]}" -eq 0 ] && { need_more; return; }
	echo "no ${missing[*]} (in Debian's ${packages[*]})"
	return 77
}

# once NAME FUNCTION: what several peers need is made by the first of them, in $shared/NAME
once() {
	shared=${BENCH_SHARED:?}
	exec 9>"$shared/$1.lock"
	flock 9
	if [ ! -e "$shared/$1" ]; then
		rm -rf "$shared/$1.part"
		"$2" "$shared/$1.part" >&2
		mv "$shared/$1.part" "$shared/$1"
	fi
	exec 9>&-
}

# A root file system with busybox and the program.
make_root() {
	local applet
	mkdir -p "$1"/{bin,dev,etc,proc,run,sbin,sys,tmp,usr/bin}
	cp "$(command -v busybox)" "$1/bin/busybox"
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"
	done
	cp "$BENCH_PROGRAM" "$1/mark"
}

# disk FOLDER FILE MIB: an ext4 file system of the folder, as a disk
disk() {
	truncate -s "$3M" "$2"
	mkfs.ext4 -q -F -d "$1" "$2"
}

make_disk() {
	once root make_root
	disk "$shared/root" "$1" 64
}

# As Debian's package makes it, but for this kernel and below our folder: nothing of /boot or /etc.
make_initramfs_tools() {
	cp -R /etc/initramfs-tools "$1.conf"
	mkinitramfs -d "$1.conf" -o "$1" "$BENCH_RELEASE"
	chmod 644 "$1"
	rm -rf "$1.conf"
}

# For any machine, as distributions ship it.
make_dracut() {
	mkdir -p "$1.d/conf" "$1.d/tmp"
	dracut --quiet --conf /dev/null --confdir "$1.d/conf" --tmpdir "$1.d/tmp" --no-hostonly \
		--no-early-microcode --kver "$BENCH_RELEASE" --force "$1"
	chmod 644 "$1"
	rm -rf "$1.d"
}

# A stock Debian with systemd, and a unit that says on the console that multi-user.target is there.
make_debian() {
	local unit=$1/etc/systemd/system/bench.service
	local tar=$BENCH_BUILD/tests/boot/debian.tar

	if [ ! -e "$tar" ]; then
		tar=$1.tar
		sh "$BENCH_SOURCE/tests/boot/mkdebian.sh" "$tar"
	fi
	mkdir -p "$1"
	tar -xpf "$tar" -C "$1" --exclude='./dev/*'
	rm -f "$1.tar"
	cp "$BENCH_PROGRAM" "$1/mark"
	cat >"$unit" <<-'END'
		[Unit]
		Description=Say that multi-user.target is there
		After=multi-user.target
		[Service]
		Type=oneshot
		ExecStart=/bin/sh -c 'exec /mark >/dev/console'
		[Install]
		WantedBy=multi-user.target
	END
	ln -s ../bench.service "$1/etc/systemd/system/multi-user.target.wants/"
}

make_debian_disk() {
	once debian make_debian
	disk "$shared/debian" "$1" 1536
}

accel_args() {
	if [ "${BENCH_ACCEL:?}" = kvm ]; then
		echo -accel kvm -cpu host
	else
		echo -accel tcg
	fi
}

# qemu_lean ARG...: becomes QEMU with no device but those asked for, and the first serial port
qemu_lean() {
	local accel
	read -ra accel < <(accel_args)
	begin
	# -no-shutdown: what it took is asked after the program's line, and that powers the guest off
	exec qemu-system-x86_64 -machine q35 "${accel[@]}" -smp 1 -m "$memory_mib" -nodefaults \
		-no-user-config -display none -no-reboot -no-shutdown -serial stdio "$@" </dev/null
}

# ---- libvirt ----

# domain DISK INITRD ARGS: $dir/domain.xml is what virt-install makes of a plain import, but for
# the console, which goes to a socket that wall-domain reads, for a file would have to be watched,
# and a pseudoterminal is only read by QEMU's clock; and for the network, which needs no bridge.
domain() {
	local virt=qemu
	[ "$BENCH_ACCEL" = kvm ] && virt=kvm
	mkdir -p "$dir/e/etc" "$dir/e/lib/qemu"
	chmod 711 "$dir" "$dir/e" "$dir/e/lib"
	echo 'stdio_handler = "file"' >"$dir/e/etc/qemu.conf"
	ln -sf "$2" "$dir/initrd"
	cp "$BENCH_KERNEL" "$dir/vmlinuz" # libvirt changes the owner of what it starts
	cp "$2" "$dir/initrd.img"
	truncate -s 1M "$dir/disk.img"
	/usr/bin/python3 "$(dirname "$0")/virt-install.py" --connect "qemu:///embed?root=$dir/e" \
		--print-xml --import --name bench --memory "$memory_mib" --vcpus 1 \
		--disk "source.file=$dir/disk.img,driver.type=raw" --osinfo debian11 \
		--network user --virt-type "$virt" \
		--boot "kernel=$dir/vmlinuz,initrd=$dir/initrd.img,kernel_args=$3" \
		2>"$dir/virt-install.log" >"$dir/plain.xml" || die "$(cat "$dir/virt-install.log")"
	sed "s|<console type=\"pty\"/>|<console type=\"unix\"><source mode=\"connect\" path=\"$dir/c\"/></console>|" \
		"$dir/plain.xml" >"$dir/domain.xml"
	grep -q "$dir/c" "$dir/domain.xml" || die "virt-install makes another console than it did"
	ln -sf "$1" "$dir/disk"
}

# Each boot has the disk as it was made.
run_domain() {
	local xml=$dir/domain.xml
	cp --sparse=always "$dir/disk" "$dir/disk.img"
	if [ -n "${BENCH_WRAP-}" ]; then
		sed "s|<emulator>.*</emulator>|<emulator>$BENCH_WRAP/qemu-system-x86_64</emulator>|" \
			"$xml" >"$dir/counting.xml"
		xml=$dir/counting.xml
	fi
	exec "$BENCH_BUILD/bench/wall-domain" "$dir/e" "$xml" "$dir/c" "$dir/start"
}

# shellcheck disable=SC2034  # for those who source this
virt_packages=(virtinst python3-libvirt gir1.2-libosinfo-1.0 libvirt-daemon-driver-qemu busybox-static)
# shellcheck disable=SC2034
virt_commands=(virt-install busybox mkfs.ext4)

peer() {
	case ${1-} in
	about)
		echo "title=$title"
		echo "end=$end"
		echo "note=$note"
		echo "kind=$kind"
		echo "slow=$slow"
		echo "stored=$stored"
		;;
	need) need "${2-}" ;;
	prepare | run)
		dir=${2:?a folder is missing}
		mkdir -p "$dir"
		"$1"
		;;
	*)
		echo "usage: $(basename "$0") about | need [--install] | prepare DIR | run DIR" >&2
		exit 2
		;;
	esac
}
