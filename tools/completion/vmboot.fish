# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for vmboot(1): the command tells what fits, from the tables of its help.

function __vmboot_complete
    set -l words (commandline -opc)
    set -l cur (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] "$cur" 2>/dev/null)
        switch $line
            case :files :folders
                set -l name (string replace -r '^(oci:|tar:|dir:|disk:|--[a-z-]*=)' '' -- "$cur")
                set -l kept (string replace -r -- (string escape --style=regex -- "$name")'$' '' "$cur")
                for path in (__fish_complete_path "$name")
                    test $line = :folders; and not string match -qr '/(\t|$)' -- $path; and continue
                    echo "$kept$path"
                end
            case '*'
                echo $line
        end
    end
end

complete -c vmboot -f -a '(__vmboot_complete)'
