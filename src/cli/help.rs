//! Help texts. The manual pages (`contrib/man`) and the completions (`contrib/completions`) are held to them by a test.

pub(super) const MAIN: &str = "\
winscard shows smart card readers as programs see them, and what programs do with them.

usage: winscard [COMMAND] [OPTIONS]

  list      readers, cards, what their ATRs mean, and who uses them (the default)
  watch     the same, live
  send      send command APDUs to a card
  reset     reset a card
  doctor    find out why a reader or a card does not work, and what to do
  run       run a program with this library in place of the system's
  trace     the same, and show every PC/SC call and APDU
  sim       the software reader: for a machine without one, and for tests

  winscard COMMAND --help   options of a command
  -h, --help                this text
  -V, --version             version of the program and its library

No reader at hand? WINSCARD_SIM=builtin winscard list
";

pub(super) const LIST: &str = "\
List readers, the cards in them, what their ATRs mean, and who uses them.

usage: winscard [list] [--json]

  --json      one JSON object, for scripts
  -h, --help  this text

Names of cards come from smartcard_list.txt where the package pcsc-tools has put it.
Exit status: 0 if there is a reader, 1 if there is none.
";

pub(super) const WATCH: &str = "\
Show readers and cards as they come and go, until Ctrl-C.

usage: winscard watch [--lines | --json]

  --lines     a line for each event, as without a terminal
  --json      a JSON object on a line for each event
  -h, --help  this text
";

pub(super) const SEND: &str = "\
Send command APDUs to a card and show its responses, status words in words.

usage: winscard send [-r READER] [OPTIONS] APDU...
       winscard send [-r READER] [OPTIONS] [-f FILE | -]

  -r, --reader READER  number as winscard list counts, name, or a part of it that fits one reader only
  -f, --file FILE      take APDUs from a file, one on a line, # begins a comment; - is standard input
  -g, --get-response   fetch the rest after 61xx (GET RESPONSE), and repeat with the right Le after 6Cxx
  -k, --keep-going     go on after a command that the card refuses
  -p, --protocol NAME  t0, t1, raw or any
  -x, --exclusive      keep other programs away from the card
  --show-pins          show the data of commands that may hold a PIN
  --json               a JSON object on a line for each command
  -h, --help           this text

An APDU is written in hexadecimal: 00A4040000, \"00 A4 04 00 00\", or 00 A4 04 00 00. Without any and without a
file, APDUs are asked for. Those of the arguments are sent in one transaction: no other program comes in between.
Exit status: 0, 1 if the card cannot be had, 2 for wrong arguments, 3 if the card refused a command.

  winscard send -g 00A4040007A0000000031010
  echo 00A40000023F00 | winscard send -
";

pub(super) const RESET: &str = "\
Reset a card and show its answer (ATR).

usage: winscard reset [-r READER] [--cold | --warm] [--json]

  -r, --reader READER  number as winscard list counts, name, or a part of it that fits one reader only
  --cold               take the power away first
  --warm               by the reset line only (the default)
  --json               one JSON object
  -h, --help           this text

Other programs that are connected to the card are told (SCARD_W_RESET_CARD). A transaction of theirs is waited for.
";

pub(super) const DOCTOR: &str = "\
Look for what keeps readers and cards from working, and say what to do.

usage: winscard doctor [--json] [-- PROGRAM]

  --json      one JSON object, for scripts
  -h, --help  this text

With PROGRAM: also which library that program would load.

Looked for: no USB bus, no reader, no permission for it, a reader that another program keeps to itself, another library
than this one in programs, a record directory that cannot be used, firmware with known defects, a reader behind a hub
without power of its own, a kernel that is too old.
Exit status: 0 if nothing is wrong, 1 if something is, 2 for wrong arguments. Warnings and notes do not count.
";

pub(super) const RUN: &str = "\
Run a program with this library in place of the system's, without installing it.

usage: winscard run [OPTIONS] [--] PROGRAM [ARGUMENT...]

  --by WAY        delegate, preload or path, instead of the way that fits the program
  --library FILE  the library to use, instead of the one that belongs to this program
  --sim DEVICES   with the software reader, as in winscard sim; an empty word for the ordinary one
  --dry-run       show the environment and the command, and run nothing
  -h, --help      this text

Ways: delegate, where the system's libpcsclite.so.1 is one that passes calls on (pcsc-lite 2.1 and later); preload
otherwise; library path for programs that define SCard functions themselves (FreeRDP's WinPR).
Programs that run with more rights than their caller ignore all three: they are refused with the reason.
Exit status: that of the program; 126 or 127 if it cannot be run.
";

pub(super) const TRACE: &str = "\
Run a program with this library and show every PC/SC call and APDU of it and of its children, with times.

usage: winscard trace [OPTIONS] [--] PROGRAM [ARGUMENT...]
       winscard trace --read FILE [OPTIONS]

  -o, --output FILE  write the trace to FILE instead of standard error
  -u, --usb          show the messages to and from the reader as well
  --json             JSON lines instead of text; docs/trace.md tells their fields
  --pcap FILE        write the USB traffic as pcapng, for Wireshark
  --plot FILE        draw calls, card time, USB time and waiting of each process over time, as SVG
  --read FILE        take the events from a file that --json wrote, instead of running a program
  --show-pins        show PINs; otherwise data that may hold one is shown as **
  --by WAY           delegate, preload or path, as in winscard run
  --library FILE     the library to use
  --sim DEVICES      with the software reader, as in winscard sim; an empty word for the ordinary one
  -h, --help         this text

Exit status: that of the program; 126 or 127 if it cannot be run.

  winscard trace -- opensc-tool -a
  winscard trace --pcap usb.pcapng --plot time.svg -o calls.txt -- gpg --card-status
";

pub(super) const SIM: &str = "\
The software reader: smart card readers and cards without hardware.

usage: winscard sim --listen PATH [--usbip [--port N]] [DEVICE...]
       winscard sim --usbip [--port N] [DEVICE...]
       winscard sim --control PATH COMMAND...

  --listen PATH   serve programs that run with WINSCARD_SIM=PATH (an absolute path)
  --usbip         serve kernels: usbip attach -r 127.0.0.1 -b 1-1
  --port N        TCP port on 127.0.0.1 for --usbip (3240)
  --control PATH  carry out commands at the server listening at PATH, each an argument
  -h, --help      this text

One program alone needs no server: WINSCARD_SIM=builtin, or WINSCARD_SIM=builtin:DEVICE, makes a reader inside it.
A DEVICE is a list of options with commas, as level=tpdu,card=t0,slots=2; interfaces of one device are joined by +.
Without any there is one reader with a card in it. Numbers are decimal or 0x..., times 500ms, 2s or milliseconds.

Devices:
  readers=N             how many devices (1)
  interfaces=N          reader interfaces of each device; they leave together (1)
  slots=N               slots of each interface (1)
  busy=N                slots that can be busy at once, bMaxCCIDBusySlots (1)
  level=LEVEL           character, tpdu, short or extended: exchange level (extended)
  iccd=a|b              a token without bulk endpoints, ICCD version A or B
  interrupt=yes|no      an interrupt endpoint (yes)
  composite=yes|no      a keyboard beside it in the same device (no)
  one-user=yes|no       nobody can take it from a process that has it claimed (no)
  packet=N              wMaxPacketSize, 8 to 512 (64)
  vid=N pid=N release=N class=N
                        numbers of the device and interface (0x1209, 1, 0x100, 0x0B)
  max-message=N         dwMaxCCIDMessageLength (271)
  ifsd=N                dwMaxIFSD (254)
  protocols=N           1 T=0, 2 T=1, 3 both (3)
  voltages=N            1 5 V, 2 3 V, 4 1.8 V, and sums (7)
  clock=N               dwDefaultClock in kHz (4000)
  features=N            dwFeatures without the level (0x4BA)
  pin=DIGITS            a PIN pad at which these digits are typed
  abort=yes|no          whether Abort is implemented (yes)
  time-extension=TIME   how often a slow card makes the reader ask for time, or no (1s)
  latency=TIME          time added to every command (0)

Cards and what happens to them:
  card=CARD             default (T=0 and T=1), t0, t1, mute or none
  insert-after=TIME remove-after=TIME unplug-after=TIME
                        time after plugging in at which that happens

Misbehaviours: fault=NAME/VALUE@COMMAND*TIMES, as often as wanted. Without @ the next command is meant, without *
it shows once; *always for every time.
  wrong-sequence        answers with the next sequence number
  wrong-slot            answers for the next slot
  other-slot/N          answers for slot N
  wrong-type/N          answers with message type N
  stale-answer          sends the previous answer again first
  time-extension/COUNT/MULTIPLIER/EVERY
                        asks for time so often before it answers
  split-answer/N        answers in two transfers, the first of N bytes
  cut-answer/N          ends its answer after N bytes
  wrong-length/N        claims N bytes more than it sends, or fewer
  missing-zlp           leaves the zero-length packet out that ends whole packets
  zlp-before, zlp-after
                        sends one before or after
  babble                sends more than a packet holds
  stall-in, stall-out   halts the endpoint before the answer, at the command
  silence               does as told and says nothing
  lost                  forgets the command
  delay/TIME            takes that much longer
  fail/N                fails with bError N
  fail-after/N          does as told and fails with bError N
  garble/N              turns a bit over in the N-th byte of the data, counted from its end
  power-on-fails/N/N... fails at these values of bPowerSelect
  card-pulled           loses its card meanwhile
  unplugged             leaves the bus
  interrupt/HEX         sends these bytes on the interrupt endpoint

Commands after @: power-on, power-off, status, xfr, get-parameters, reset-parameters, set-parameters, escape, clock,
secure, mechanical, abort, data-rate.

Commands for --control, each one argument; READER counts from 0:
  readers               the readers that are plugged in
  add DEVICE            plug in one more device
  plug READER, unplug READER
                        plug a device in again, or out
  insert READER [SLOT] [CARD], remove READER [SLOT]
                        put a card in, take it out
  inject READER FAULT   one of the misbehaviours above
  clear READER          no misbehaviour any more
  counters READER       how often each message came
  log READER            the messages
  latency READER TIME   time added to every command
  after TIME COMMAND    the command in that time
  quit                  the server ends

  winscard sim --listen /tmp/reader card=none &
  WINSCARD_SIM=/tmp/reader winscard watch
  winscard sim --control /tmp/reader \"insert 0\"
";
