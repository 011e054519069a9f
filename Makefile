MAKEFLAGS += --no-print-directory
SHELL = /bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Installing, for people and packagers. (cargo builds everything; this only puts it where systems look for it.)
#
#   make                    builds the library and the companion program
#   make install            side by side with the distribution's library: nothing uses it unless told to
#   make activate           every program uses it from now on (a line for the loader); make deactivate: no longer
#   make uninstall          takes back all of these
#   make deb                Debian packages, in target/debian
#
# PREFIX=/usr/local, LIBDIR, INCLUDEDIR, BINDIR, MANDIR, SYSCONFDIR, DESTDIR as everywhere. SYSTEM=no leaves out what belongs to the system and not
# to a prefix (udev rule, tmpfiles.d): make install SYSTEM=no PREFIX=$HOME/.local needs no root.

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share
SYSCONFDIR ?= /etc
SYSTEM ?= yes
ifeq ($(PREFIX),/usr)
UDEVDIR ?= /usr/lib/udev/rules.d
TMPFILESDIR ?= /usr/lib/tmpfiles.d
else
UDEVDIR ?= $(SYSCONFDIR)/udev/rules.d
TMPFILESDIR ?= $(SYSCONFDIR)/tmpfiles.d
endif
# The library has a directory of its own, which no loader looks into by itself.
OWNDIR ?= $(LIBDIR)/winscard
LOADER_LINE = $(SYSCONFDIR)/ld.so.conf.d/00-winscard.conf

CARGO ?= cargo
CARGO_TARGET_DIR ?= target
RELEASE = $(CARGO_TARGET_DIR)/release
INSTALL ?= install
LDCONFIG ?= ldconfig
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# What pkg-config answers for libpcsclite: programs ask for the version whose interface they were written for.
PCSC_VERSION := $(shell sed -n 's/^.define PCSCLITE_VERSION_NUMBER *"\(.*\)"/\1/p' include/PCSC/pcsclite.h)
FILE = libpcsclite.so.1.0.0
PAGES := $(wildcard contrib/man/*.1)

.PHONY: all build install install-library install-dev install-program install-system activate deactivate uninstall deb check

all: build

build:
	$(CARGO) build --release --locked --features cli

install: build
	$(MAKE) install-library install-dev install-program
	[ "$(SYSTEM)" = no ] || $(MAKE) install-system
	@echo "Installed beside the system's library: nothing uses it yet. One program: LD_LIBRARY_PATH=$(OWNDIR) PROGRAM; every program: make activate"

# These install what has been built, so that packagers can build and install as different users.
install-library:
	$(INSTALL) -d "$(DESTDIR)$(OWNDIR)"
	$(INSTALL) -m 644 "$(RELEASE)/libwinscard.so" "$(DESTDIR)$(OWNDIR)/$(FILE)"
	ln -sf $(FILE) "$(DESTDIR)$(OWNDIR)/libpcsclite.so.1"
	ln -sf $(FILE) "$(DESTDIR)$(OWNDIR)/libwinscard.so"

install-dev:
	@header="$(DESTDIR)$(INCLUDEDIR)/PCSC/winscard.h"; if [ -e "$$header" ] && ! grep -q 'MIT OR Apache-2.0' "$$header"; then \
	  echo "$(DESTDIR)$(INCLUDEDIR)/PCSC belongs to another PC/SC library: choose another PREFIX or INCLUDEDIR" >&2; exit 1; fi
	$(INSTALL) -d "$(DESTDIR)$(INCLUDEDIR)/PCSC" "$(DESTDIR)$(LIBDIR)/pkgconfig" "$(DESTDIR)$(OWNDIR)"
	$(INSTALL) -m 644 include/PCSC/*.h "$(DESTDIR)$(INCLUDEDIR)/PCSC"
	ln -sf libpcsclite.so.1 "$(DESTDIR)$(OWNDIR)/libpcsclite.so"
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(OWNDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)/PCSC|' -e 's|@VERSION@|$(PCSC_VERSION)|' \
	  contrib/pkgconfig/libpcsclite.pc.in >"$(DESTDIR)$(LIBDIR)/pkgconfig/libpcsclite.pc"
	chmod 644 "$(DESTDIR)$(LIBDIR)/pkgconfig/libpcsclite.pc"

install-program:
	$(INSTALL) -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(MANDIR)/man1"
	$(INSTALL) -m 755 "$(RELEASE)/winscard" "$(DESTDIR)$(BINDIR)/winscard"
	[ -z "$(PAGES)" ] || $(INSTALL) -m 644 $(PAGES) "$(DESTDIR)$(MANDIR)/man1"
	[ ! -e contrib/completions/winscard.bash ] || $(INSTALL) -D -m 644 contrib/completions/winscard.bash "$(DESTDIR)$(DATADIR)/bash-completion/completions/winscard"
	[ ! -e contrib/completions/_winscard ] || $(INSTALL) -D -m 644 contrib/completions/_winscard "$(DESTDIR)$(DATADIR)/zsh/site-functions/_winscard"
	[ ! -e contrib/completions/winscard.fish ] || $(INSTALL) -D -m 644 contrib/completions/winscard.fish "$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/winscard.fish"

install-system:
	$(INSTALL) -D -m 644 contrib/udev/70-winscard.rules "$(DESTDIR)$(UDEVDIR)/70-winscard.rules"
	$(INSTALL) -D -m 644 contrib/tmpfiles/winscard.conf "$(DESTDIR)$(TMPFILESDIR)/winscard.conf"
	@[ -n "$(DESTDIR)" ] || contrib/settle

# One line for the loader, and its cache made anew. The distribution's file stays where it is.
activate:
	@[ -e "$(DESTDIR)$(OWNDIR)/libpcsclite.so.1" ] || { echo "not installed: make install" >&2; exit 1; }
	$(INSTALL) -d "$(DESTDIR)$(SYSCONFDIR)/ld.so.conf.d"
	echo "$(OWNDIR)" >"$(DESTDIR)$(LOADER_LINE)"
	[ -n "$(DESTDIR)" ] || $(LDCONFIG)

deactivate:
	rm -f "$(DESTDIR)$(LOADER_LINE)"
	[ -n "$(DESTDIR)" ] || $(LDCONFIG) || true

uninstall:
	[ ! -e "$(DESTDIR)$(LOADER_LINE)" ] || $(MAKE) deactivate
	rm -f "$(DESTDIR)$(OWNDIR)"/lib{pcsclite.so,pcsclite.so.1,winscard.so} "$(DESTDIR)$(OWNDIR)/$(FILE)"
	for header in include/PCSC/*.h; do ! grep -qs 'MIT OR Apache-2.0' "$(DESTDIR)$(INCLUDEDIR)/PCSC/$${header##*/}" || rm -f "$(DESTDIR)$(INCLUDEDIR)/PCSC/$${header##*/}"; done
	! grep -qsF 'libdir=$(OWNDIR)' "$(DESTDIR)$(LIBDIR)/pkgconfig/libpcsclite.pc" || rm -f "$(DESTDIR)$(LIBDIR)/pkgconfig/libpcsclite.pc"
	rm -f "$(DESTDIR)$(BINDIR)/winscard"
	for page in $(notdir $(PAGES)); do rm -f "$(DESTDIR)$(MANDIR)/man1/$$page"; done
	rm -f "$(DESTDIR)$(DATADIR)/bash-completion/completions/winscard" "$(DESTDIR)$(DATADIR)/zsh/site-functions/_winscard" \
	  "$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/winscard.fish"
	rm -f "$(DESTDIR)$(UDEVDIR)/70-winscard.rules" "$(DESTDIR)$(TMPFILESDIR)/winscard.conf"
	rmdir --ignore-fail-on-non-empty "$(DESTDIR)$(OWNDIR)" "$(DESTDIR)$(INCLUDEDIR)/PCSC" "$(DESTDIR)$(LIBDIR)/pkgconfig" 2>/dev/null || true
	@[ -n "$(DESTDIR)" ] || [ "$(SYSTEM)" = no ] || contrib/settle

deb: build
	contrib/debian/build

check:
	tests/run
