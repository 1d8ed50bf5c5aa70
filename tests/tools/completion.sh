#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion: what the command says fits, and what bash, zsh and fish make of it.
. "$(dirname "$0")/lib.sh"

scripts=$srcdir/tools/completion
mkdir "$tmp/work" && cd "$tmp/work" && mkdir folder && : >file.json && : >file.tar || exit 99
export HOME="$tmp" XDG_CONFIG_HOME="$tmp/config" XDG_DATA_HOME="$tmp/data" TERM=dumb

# offers WORDS...: what fits the last word, without the help, on one line
offers() {
	vmboot __complete "$@" 2>"$tmp/err" | cut -f 1 | tr '\n' ' ' | sed 's/ $//'
}

# same WHO GOT WANT
same() {
	[ "$2" = "$3" ] || fail "$1: \"$2\", not \"$3\""
}

same "verb" "$(offers ru)" run
same "verbs" "$(offers '' | tr ' ' '\n' | sort)" \
	"$({ vmboot --help | sed -n 's/^  \([a-z]*\)\( [a-z][a-z]*\)\?  .*/\1/p'; } | sort -u)"
same "verbs of two words" "$(offers image '')" "inspect prune"
same "flags of a verb of two words" "$(offers image prune --fil)" --filter
same "a flag before the verb" "$(offers --uri embed --st)" --store
for verb in $(vmboot --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' | grep -vx help); do
	same "flags of $verb" "$(offers "$verb" - | tr ' ' '\n' | sort -u)" \
		"$(vmboot help "$verb" | sed -n 's/^  .\{4\}\(--[a-z-]*\).*/\1/p' | sort -u)"
done
same "choices" "$(offers run --accel '')" "auto kvm tcg"
same "choices of --x=" "$(offers run --accel=k)" "--accel=kvm"
same "choices behind a value" "$(offers run --name web --on-exit '')" "keep poweroff"
same "a flag's value is no operand" "$(offers run -e A=B --init-mode s)" systemd
same "phases" "$(offers wait --phase settle-)" "settle-root settle-overlay settle-config"
same "files" "$(offers run --request '')" ":files"
same "folders" "$(offers images --store '')" ":folders"
same "sources" "$(offers import '')" "oci: tar: dir: disk: docker:// docker-archive: oci-archive: containers-storage: docker-daemon: skopeo-dir:"
same "a source" "$(offers import tar:f)" ":files"
same "the guest's command" "$(offers run image '')" ""
same "the guest's command's flags" "$(offers run image ls --)" ""
same "behind --" "$(offers ps -- --)" ""
same "too many operands" "$(offers images '')" ""
same "unknown verb" "$(offers nosuch '')" ""
same "help's verb" "$(offers help rmi)" rmi
same "help's second" "$(offers help rm '')" ""
offers run --na | grep -q . && same "help is there" \
	"$(vmboot __complete ps --qu)" "$(printf -- '--quiet\tprint names only')"
[ -s "$tmp/err" ] && fail "words: $(cat "$tmp/err")"

# images of the store that the line names
mkdir -p "$tmp/root/bin" && printf '#!/bin/sh\n' >"$tmp/root/bin/sh"
if expect 0 vmboot import --store "$tmp/other" --name node:20 "dir:$tmp/root"; then
	same "images" "$(offers run --store "$tmp/other" no)" "node:20"
	same "images" "$(offers --store "$tmp/other" rmi local)" "localhost/node:20"
	same "an image that was given" \
		"$(offers rmi --store "$tmp/other" node:20 '')" ""
	image=--store=$tmp/other
fi

# bash, as it calls the function: words are split at "=" and ":", too
in_bash() {
	bash --norc --noprofile -c '
		[ -z "$2" ] || . "$2"
		. "$1"
		line=$3 COMPREPLY=()
		COMP_LINE=$line COMP_POINT=${#line} COMP_TYPE=9 COMP_KEY=9
		shift 3
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_vmboot vmboot "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
		printf "%s\n" "${COMPREPLY[@]}" | sort | tr "\n" " " | sed "s/ $//"
	' bash "$scripts/vmboot" "$library" "$@" 2>"$tmp/err"
	[ ! -s "$tmp/err" ] || cat "$tmp/err"
}
for library in "" /usr/share/bash-completion/bash_completion; do
	[ -z "$library" ] || [ -e "$library" ] || continue
	same "bash $library: verb" "$(in_bash "vmboot repo" vmboot repo)" report
	same "bash: choices" "$(in_bash "vmboot run --accel " vmboot run --accel "")" "auto kvm tcg"
	same "bash: =" "$(in_bash "vmboot run --accel=k" vmboot run --accel = k)" kvm
	same "bash: files" "$(in_bash "vmboot run --request f" vmboot run --request f)" \
		"file.json file.tar folder"
	same "bash: folders" "$(in_bash "vmboot ps --store f" vmboot ps --store f)" folder
	same "bash: a source" "$(in_bash "vmboot import tar:fil" vmboot import tar : fil)" \
		"file.json file.tar"
	same "bash: nothing" "$(in_bash "vmboot nosuch x" vmboot nosuch x)" ""
	[ -z "${image:-}" ] || same "bash: an image with a colon" "$(in_bash \
		"vmboot rmi $image localhost/node:" vmboot rmi --store = "${image#*=}" \
		localhost/node :)" 20
done
bash --norc -c '. "$1"; complete -p vmboot' bash "$scripts/vmboot" | grep -q -- '-F _vmboot' ||
	fail "bash: the function is not registered"

if command -v fish >/dev/null; then
	in_fish() {
		fish --no-config -c "source $scripts/vmboot.fish; complete -C '$1'" 2>&1 |
			cut -f 1 | sort | tr '\n' ' ' | sed 's/ $//'
	}
	same "fish: verb" "$(in_fish "vmboot repo")" report
	same "fish: choices" "$(in_fish "vmboot run --accel ")" "auto kvm tcg"
	same "fish: =" "$(in_fish "vmboot run --accel=k")" "--accel=kvm"
	same "fish: files" "$(in_fish "vmboot run --request file.j")" file.json
	same "fish: folders" "$(in_fish "vmboot ps --store f")" folder/
	same "fish: a source" "$(in_fish "vmboot import tar:file.t")" tar:file.tar
else
	not_tried "fish is not installed"
fi

# zsh, with its line editor, which needs a terminal: what is on the line after completion
if command -v zsh >/dev/null; then
	mkdir "$tmp/zsh"
	cat >"$tmp/zsh/.zshrc" <<-END
		PS1= fpath=($scripts \$fpath)
		autoload -Uz compinit && compinit -u -D
		tell() { zle complete-word; print -r -- "\$BUFFER" >$tmp/line; exit }
		zle -N tell && bindkey '^X' tell
	END
	# with -d no other file of the host's settings is read
	in_zsh() {
		rm -f "$tmp/line"
		ZDOTDIR=$tmp/zsh timeout 300 zsh -f -c '
			zmodload zsh/zpty && zpty z timeout --foreground 280 zsh -d -i &&
			zpty -w -n z "$1"$'"'\\C-x'"' && while zpty -r z line; do print -r -- $line; done
		' zsh "$1" >"$tmp/terminal" 2>&1 </dev/null
		[ -e "$tmp/line" ] && sed 's/ *$//' "$tmp/line" || cat "$tmp/terminal"
	}
	same "zsh: verb" "$(in_zsh "vmboot repo")" "vmboot report"
	same "zsh: choices" "$(in_zsh "vmboot run --accel k")" "vmboot run --accel kvm"
	same "zsh: =" "$(in_zsh "vmboot run --accel=k")" "vmboot run --accel=kvm"
	same "zsh: files" "$(in_zsh "vmboot run --request file.j")" "vmboot run --request file.json"
	same "zsh: a source" "$(in_zsh "vmboot import tar:file.t")" "vmboot import tar:file.tar"
else
	not_tried "zsh is not installed"
fi
done_testing
