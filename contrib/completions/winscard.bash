# Completion of winscard for bash.
# SPDX-License-Identifier: MIT OR Apache-2.0

_winscard_readers() {
  winscard list --json 2>/dev/null | sed -n 's/^ \{6\}"name": "\(.*\)",$/\1/p'
}

_winscard() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=list i
  local commands="list watch send reset doctor run trace sim help"
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      list | watch | send | reset | doctor | run | trace | sim | help) command=${COMP_WORDS[i]} && break ;;
      -*) ;;
      *) return ;;
    esac
  done
  if ((i >= COMP_CWORD)); then
    mapfile -t COMPREPLY < <(compgen -W "$commands --help --version --json" -- "$cur")
    return
  fi
  # Behind run and trace a program's own command line begins.
  if [[ $command == run || $command == trace ]]; then
    local j word
    for ((j = i + 1; j < COMP_CWORD; j++)); do
      word=${COMP_WORDS[j]}
      case $word in
        --by | --library | --sim | --pcap | --plot | --read | --output | -o) ((j++)) ;;
        --)
          ((j++))
          break
          ;;
        -*) ;;
        *) break ;;
      esac
    done
    if ((j < COMP_CWORD)) && declare -F _command_offset >/dev/null; then
      _command_offset "$j"
      return
    elif ((j == COMP_CWORD)) && [[ $cur != -* && $prev != -o && $prev != --by && $prev != --library && $prev != --sim && $prev != --pcap && $prev != --plot && $prev != --read && $prev != --output ]]; then
      mapfile -t COMPREPLY < <(compgen -c -- "$cur")
      return
    fi
  fi
  case $prev in
    -r | --reader)
      local name
      while read -r name; do
        printf -v name %q "$name"
        [[ $name != "$cur"* ]] || COMPREPLY+=("$name")
      done < <(_winscard_readers)
      return
      ;;
    -p | --protocol)
      mapfile -t COMPREPLY < <(compgen -W "t0 t1 raw any" -- "$cur")
      return
      ;;
    --by)
      mapfile -t COMPREPLY < <(compgen -W "delegate preload path" -- "$cur")
      return
      ;;
    --sim | --port) return ;;
    -f | --file | -o | --output | --pcap | --plot | --read | --library | --listen | --control)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return
      ;;
  esac
  local options
  case $command in
    list) options="--json" ;;
    watch) options="--lines --json" ;;
    send) options="-r --reader -f --file -g --get-response -k --keep-going -p --protocol -x --exclusive --show-pins --json" ;;
    reset) options="-r --reader --cold --warm --json" ;;
    doctor) options="--json" ;;
    run) options="--by --library --sim --dry-run" ;;
    trace) options="-o --output -u --usb --json --pcap --plot --read --show-pins --by --library --sim" ;;
    sim) options="--listen --usbip --port --control" ;;
    help) options=$commands ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$options -h --help" -- "$cur")
}

complete -F _winscard winscard
