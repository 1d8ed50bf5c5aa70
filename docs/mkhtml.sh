#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# mkhtml.sh DIR DOCS PAGE...: the manual pages as HTML in DIR, by mandoc, with an index; a reference
# to a name that shares a page with others leads to its place there.
set -eu

dir=$1 docs=$2
shift 2
rm -rf "$dir"
mkdir -p "$dir"
cp "$docs/style.css" "$dir"
for page; do
	case $page in
	*/vmboot_create.3) aliases=$(dirname "$page")/aliases ;;
	esac
done
sed 's|\([^ ]*\) \(.*\)|s,href="\1.3.html",href="\2.3.html#\1",g|' "$aliases" >"$dir/links"
# other people's pages are not here
echo 's,<a class="Xr" href="[^"]*"[^>]*>\([^v][^<]*\|v[^m][^<]*\)</a>,\1,g' >>"$dir/links"
{
	echo '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>libvmboot</title>'
	echo '<link rel="stylesheet" href="style.css"></head><body><h1>libvmboot</h1><dl>'
	for page; do
		name=$(basename "$page")
		"${MANDOC:-mandoc}" -T html -O 'man=%N.%S.html,style=style.css,toc' "$page" |
			sed -f "$dir/links" >"$dir/$name.html"
		echo "<dt><a href=\"$name.html\">${name%.*}(${name##*.})</a></dt>"
		sed -n 's/&/\&amp;/g; s,^\.Nd \(.*\),<dd>\1</dd>,p' "$page"
	done
	echo '</dl></body></html>'
} >"$dir/index.html"
rm "$dir/links"
