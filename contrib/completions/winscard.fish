# Completion of winscard for fish.
# SPDX-License-Identifier: MIT OR Apache-2.0

function __winscard_readers
    winscard list --json 2>/dev/null | string replace -rf '^ {6}"name": "(.*)",$' '$1'
end

set -l commands list watch send reset doctor run trace sim help
set -l none "not __fish_seen_subcommand_from $commands"
complete -c winscard -f
complete -c winscard -s h -l help -d 'Show help'
complete -c winscard -n $none -s V -l version -d 'Show the version'
complete -c winscard -n $none -a list -d 'Readers, cards, and who uses them'
complete -c winscard -n $none -a watch -d 'The same, live'
complete -c winscard -n $none -a send -d 'Send command APDUs to a card'
complete -c winscard -n $none -a reset -d 'Reset a card'
complete -c winscard -n $none -a doctor -d 'Find out why something does not work'
complete -c winscard -n $none -a run -d 'Run a program with this library'
complete -c winscard -n $none -a trace -d 'The same, and show every call'
complete -c winscard -n $none -a sim -d 'The software reader'
complete -c winscard -n $none -a help -d 'Show help'
complete -c winscard -n '__fish_seen_subcommand_from help' -a 'list watch send reset doctor run trace sim'
complete -c winscard -n '__fish_seen_subcommand_from list watch send reset doctor trace' -l json -d 'JSON for scripts'
complete -c winscard -n '__fish_seen_subcommand_from watch' -l lines -d 'A line for each event'
complete -c winscard -n '__fish_seen_subcommand_from send reset' -s r -l reader -x -a '(__winscard_readers)' -d 'Reader'
complete -c winscard -n '__fish_seen_subcommand_from send' -s f -l file -r -F -d 'Take APDUs from a file'
complete -c winscard -n '__fish_seen_subcommand_from send' -s g -l get-response -d 'Fetch the rest of responses'
complete -c winscard -n '__fish_seen_subcommand_from send' -s k -l keep-going -d 'Go on after a refusal'
complete -c winscard -n '__fish_seen_subcommand_from send' -s p -l protocol -x -a 't0 t1 raw any' -d 'Protocol'
complete -c winscard -n '__fish_seen_subcommand_from send' -s x -l exclusive -d 'Keep other programs away'
complete -c winscard -n '__fish_seen_subcommand_from send trace' -l show-pins -d 'Show PINs'
complete -c winscard -n '__fish_seen_subcommand_from reset' -l cold -d 'Take the power away'
complete -c winscard -n '__fish_seen_subcommand_from reset' -l warm -d 'By the reset line'
complete -c winscard -n '__fish_seen_subcommand_from run trace' -l by -x -a 'delegate preload path' -d 'How the library gets in'
complete -c winscard -n '__fish_seen_subcommand_from run trace' -l library -r -F -d 'Library to use'
complete -c winscard -n '__fish_seen_subcommand_from run trace' -l sim -x -d 'With the software reader'
complete -c winscard -n '__fish_seen_subcommand_from run trace doctor' -a '(__fish_complete_subcommand)' -d 'Program'
complete -c winscard -n '__fish_seen_subcommand_from run' -l dry-run -d 'Show the command only'
complete -c winscard -n '__fish_seen_subcommand_from trace' -s o -l output -r -F -d 'Write to a file'
complete -c winscard -n '__fish_seen_subcommand_from trace' -s u -l usb -d 'Messages to and from the reader too'
complete -c winscard -n '__fish_seen_subcommand_from trace' -l pcap -r -F -d 'Write USB traffic'
complete -c winscard -n '__fish_seen_subcommand_from trace' -l plot -r -F -d 'Draw a timeline'
complete -c winscard -n '__fish_seen_subcommand_from trace' -l read -r -F -d 'Take events from a file'
complete -c winscard -n '__fish_seen_subcommand_from sim' -l listen -r -F -d 'Serve programs at a socket'
complete -c winscard -n '__fish_seen_subcommand_from sim' -l usbip -d 'Serve kernels'
complete -c winscard -n '__fish_seen_subcommand_from sim' -l port -x -d 'TCP port'
complete -c winscard -n '__fish_seen_subcommand_from sim' -l control -r -F -d 'Carry out commands at a server'
