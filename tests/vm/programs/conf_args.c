/* SPDX-License-Identifier: MIT OR Apache-2.0
 * conf_args: every call with every kind of argument, buffers of every size; contexts, names, groups, texts. */
#include "conformance.h"

static const LONG UNKNOWN_CONTEXT = 0x12345678, UNKNOWN_CARD = 0x7654321;

static void contexts(void)
{
	SCARDCONTEXT made;
	static const DWORD scopes[] = { 0, 1, 2, 3, 4, 5, 0xFFFF, 0xFFFFFFFF };

	section("contexts");
	for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++) {
		made = 0;
		LONG code = SCardEstablishContext(scopes[i], NULL, NULL, &made);

		say("establish", code, " scope %lX, context %s", (unsigned long)scopes[i], made ? "given" : "zero");
		if (code == SCARD_S_SUCCESS)
			say("release", SCardReleaseContext(made), " ");
	}
	say("establish, reserved arguments", SCardEstablishContext(SCARD_SCOPE_USER, "x", "y", &made), " ");
	say("valid", SCardIsValidContext(made), " ");
	say("cancel, nobody waits", SCardCancel(made), " ");
	say("cancel again", SCardCancel(made), " ");
	say("release", SCardReleaseContext(made), " ");
	say("release again", SCardReleaseContext(made), " ");
	say("valid after release", SCardIsValidContext(made), " ");
	say("cancel after release", SCardCancel(made), " ");
	say("establish, no context", SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, NULL), " ");
	say("valid 0", SCardIsValidContext(0), " ");
	say("valid unknown", SCardIsValidContext(UNKNOWN_CONTEXT), " ");
	say("valid -1", SCardIsValidContext(-1), " ");
	say("release 0", SCardReleaseContext(0), " ");
	say("release unknown", SCardReleaseContext(UNKNOWN_CONTEXT), " ");
	say("cancel 0", SCardCancel(0), " ");
	say("cancel unknown", SCardCancel(UNKNOWN_CONTEXT), " ");
}

static void list(const char *what, SCARDCONTEXT with, const char *groups, DWORD room, int no_buffer)
{
	static char names[4096];
	DWORD length = room;

	memset(names, 0x55, sizeof names);
	LONG code = SCardListReaders(with, groups, no_buffer ? NULL : names, &length);
	DWORD shown = length > sizeof names ? 0 : length;

	say(what, code, " room %ld length %lu %s", (long)room, (unsigned long)length, code || no_buffer ? "" : hex((BYTE *)names, shown));
	/* Nothing behind what is given, and nothing at all on failure. */
	DWORD written = code || no_buffer ? 0 : shown;
	for (DWORD i = written; i < sizeof names; i++)
		if (names[i] != 0x55) {
			say("  written beyond", 0, " at %lu", (unsigned long)i);
			break;
		}
}

static void readers(void)
{
	DWORD exact = 0, length;
	char *allocated = NULL, *groups = NULL;

	section("names and groups");
	OK(SCardListReaders(context, NULL, NULL, &exact));
	list("length only", context, NULL, 0, 1);
	list("length only, of anything", context, NULL, 5, 1);
	list("exactly", context, NULL, exact, 0);
	list("one byte too small", context, NULL, exact - 1, 0);
	list("one byte", context, NULL, 1, 0);
	list("no byte", context, NULL, 0, 0);
	list("more than enough", context, NULL, 2000, 0);
	list("all readers' group", context, "SCard$AllReaders\0", 2000, 0);
	list("default group", context, "SCard$DefaultReaders\0", 2000, 0);
	list("a group that is none", context, "Nobody\0", 2000, 0);
	list("an empty group", context, "\0", 2000, 0);
	list("no context", 0, NULL, 2000, 0);
	list("unknown context", UNKNOWN_CONTEXT, NULL, 2000, 0);
	say("no length", SCardListReaders(context, NULL, NULL, NULL), " ");
	length = SCARD_AUTOALLOCATE;
	LONG code = SCardListReaders(context, NULL, (LPSTR)&allocated, &length);
	say("allocated", code, " length %lu %s", (unsigned long)length, allocated ? allocated : "nothing");
	say("freed", SCardFreeMemory(context, allocated), " ");
	length = SCARD_AUTOALLOCATE;
	say("allocated to nowhere", SCardListReaders(context, NULL, NULL, &length), " ");
	length = 0;
	say("groups, length", SCardListReaderGroups(context, NULL, &length), " %lu", (unsigned long)length);
	for (DWORD room = 0; room < 26; room++) {
		char buffer[64];

		memset(buffer, 0x55, sizeof buffer);
		length = room;
		code = SCardListReaderGroups(context, buffer, &length);
		say("groups", code, " room %lu length %lu %s", (unsigned long)room, (unsigned long)length, code ? "" : hex((BYTE *)buffer, length));
	}
	length = SCARD_AUTOALLOCATE;
	code = SCardListReaderGroups(context, (LPSTR)&groups, &length);
	say("groups, allocated", code, " length %lu %s", (unsigned long)length, groups ? groups : "nothing");
	say("groups, freed", SCardFreeMemory(context, groups), " ");
	say("groups, no context", SCardListReaderGroups(0, NULL, &length), " ");
	say("freed nothing", SCardFreeMemory(context, NULL), " ");
	say("freed nothing, no context", SCardFreeMemory(0, NULL), " ");
	say("freed nothing, unknown context", SCardFreeMemory(UNKNOWN_CONTEXT, NULL), " ");
}

static void texts(void)
{
	section("texts and objects");
	for (LONG code = 0x80100000; code <= 0x80100075; code++)
		say(pcsc_stringify_error(code), code, " ");
	static const LONG codes[] = { 0, 1, 2, 0x7FFFFFFF, 0x80100100, 0x80110000, -1, -2146435072, 0x180100003 };
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		say(pcsc_stringify_error(codes[i]), codes[i], " ");
	printf("PCI: %lX/%lu %lX/%lu %lX/%lu\n", g_rgSCardT0Pci.dwProtocol, g_rgSCardT0Pci.cbPciLength, g_rgSCardT1Pci.dwProtocol, g_rgSCardT1Pci.cbPciLength,
	       g_rgSCardRawPci.dwProtocol, g_rgSCardRawPci.cbPciLength);
}

static void status_buffers(SCARDHANDLE card)
{
	section("status");
	DWORD exact = strlen(reader) + 1;
	const DWORD rooms[] = { 0, 1, 2, exact / 2, exact - 2, exact - 1, exact, exact + 1 };

	for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
		DWORD room = rooms[i];
		char name[MAX_READERNAME + 8];
		BYTE atr[40];
		DWORD name_length = room, atr_length = sizeof atr, state = 0xAA, protocol = 0xAA;

		memset(name, 0x55, sizeof name);
		LONG code = SCardStatus(card, name, &name_length, &state, &protocol, atr, &atr_length);
		say("status, name", code, " room %lu length %lu state %lX protocol %lX ATR %lu %s", (unsigned long)room, (unsigned long)name_length,
		    (unsigned long)state & 0xFFFF, (unsigned long)protocol, (unsigned long)atr_length, hex((BYTE *)name, room));
	}
	for (DWORD room = 0; room <= 36; room += room > 1 && room < 11 ? 4 : 1) {
		BYTE atr[40];
		DWORD atr_length = room;

		memset(atr, 0x55, sizeof atr);
		LONG code = SCardStatus(card, NULL, NULL, NULL, NULL, atr, &atr_length);
		say("status, ATR", code, " room %lu length %lu %s", (unsigned long)room, (unsigned long)atr_length, hex(atr, 36));
	}
	DWORD length = 7, atr_length = 7, state, protocol;
	say("nothing wanted", SCardStatus(card, NULL, NULL, NULL, NULL, NULL, NULL), " ");
	say("lengths only", SCardStatus(card, NULL, &length, NULL, NULL, NULL, &atr_length), " %lu %lu", (unsigned long)length, (unsigned long)atr_length);
	say("state only", SCardStatus(card, NULL, NULL, &state, NULL, NULL, NULL), " %lX", (unsigned long)state & 0xFFFF);
	say("protocol only", SCardStatus(card, NULL, NULL, NULL, &protocol, NULL, NULL), " %lX", (unsigned long)protocol);
	char buffer[MAX_READERNAME], *name = NULL;
	BYTE *atr = NULL;
	say("name without length", SCardStatus(card, buffer, NULL, NULL, NULL, NULL, NULL), " ");
	length = atr_length = SCARD_AUTOALLOCATE;
	LONG code = SCardStatus(card, (LPSTR)&name, &length, NULL, NULL, (LPBYTE)&atr, &atr_length);
	say("allocated", code, " %lu %s %lu %s", (unsigned long)length, name ? name : "-", (unsigned long)atr_length, atr ? hex(atr, atr_length) : "-");
	say("freed", SCardFreeMemory(context, name), " ");
	say("freed", SCardFreeMemory(context, atr), " ");
	length = SCARD_AUTOALLOCATE;
	say("allocated to nowhere", SCardStatus(card, NULL, &length, NULL, NULL, NULL, NULL), " ");
	say("unknown handle", SCardStatus(UNKNOWN_CARD, NULL, NULL, NULL, NULL, NULL, NULL), " ");
	say("handle 0", SCardStatus(0, NULL, NULL, NULL, NULL, NULL, NULL), " ");
}

static void transmit(SCARDHANDLE card)
{
	static BYTE command[70000] = { 0x80, 0xEE, 1, 2, 4 }, answer[70000];
	static const DWORD rooms[] = { 0, 1, 2, 5, 6, 7, 258, 264, 300, 65548, 65549, 70000 };
	static const DWORD lengths[] = { 0, 1, 2, 3, 4, 5, 6, 65548, 65549, 70000 };
	DWORD length;
	LONG code;

	section("transmit");
	for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
		memset(answer, 0x55, sizeof answer);
		length = rooms[i];
		code = SCardTransmit(card, SCARD_PCI_T0, command, 5, NULL, answer, &length);
		say("room", code, " %lu length %lu %s", (unsigned long)rooms[i], (unsigned long)length, hex(answer, 8));
	}
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		/* What a T=0 reader makes of a long command is another test's matter. */
		length = 258;
		code = SCardTransmit(card, SCARD_PCI_T0, command, lengths[i], NULL, answer, &length);
		say("command", code, " of %lu length %lu %s", (unsigned long)lengths[i], (unsigned long)length, code ? "" : hex(answer, length));
	}
	length = 258;
	say("no command", SCardTransmit(card, SCARD_PCI_T0, NULL, 5, NULL, answer, &length), " ");
	say("no answer", SCardTransmit(card, SCARD_PCI_T0, command, 5, NULL, NULL, &length), " ");
	say("no length", SCardTransmit(card, SCARD_PCI_T0, command, 5, NULL, answer, NULL), " ");
	say("no PCI", SCardTransmit(card, NULL, command, 5, NULL, answer, &length), " ");
	for (DWORD protocol = 0; protocol <= 9; protocol++) {
		SCARD_IO_REQUEST in = { protocol, sizeof in }, out = { 0xAA, 0xBB };

		length = 258;
		code = SCardTransmit(card, &in, command, 5, &out, answer, &length);
		say("protocol", code, " %lX gives %lX/%lu length %lu", (unsigned long)protocol, out.dwProtocol, out.cbPciLength, (unsigned long)length);
	}
	for (DWORD size = 0; size <= 20; size += 4) {
		SCARD_IO_REQUEST in = { 1, size }, out = { 0xAA, size };

		length = 258;
		code = SCardTransmit(card, &in, command, 5, &out, answer, &length);
		say("PCI length", code, " %lu gives %lX/%lu", (unsigned long)size, out.dwProtocol, out.cbPciLength);
	}
	/* One buffer for both. */
	memcpy(answer, command, 5);
	length = 258;
	code = SCardTransmit(card, SCARD_PCI_T0, answer, 5, NULL, answer, &length);
	say("in place", code, " %s", hex(answer, code ? 0 : length));
	say("unknown handle", SCardTransmit(UNKNOWN_CARD, SCARD_PCI_T0, command, 5, NULL, answer, &length), " ");
}

static void control_and_attributes(SCARDHANDLE card)
{
	static BYTE buffer[70000];
	static const DWORD rooms[] = { 0, 1, 3, 4, 5, 11, 12, 13, 263, 264, 265, 300, 65548, 70000 };
	static const DWORD codes[] = { 0, 1, 0x42000000, 0x42000001, CM_IOCTL_GET_FEATURE_REQUEST, 0x00313520, 0x42330012, 0x4233000A, 0x42330006, 0xFFFFFFFF };
	DWORD length;
	LONG code;

	section("control");
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		length = 0xAA;
		code = SCardControl(card, codes[i], NULL, 0, buffer, 300, &length);
		say("code", code, " %lX length %lu %s", (unsigned long)codes[i], (unsigned long)length, code ? "" : hex(buffer, length));
	}
	for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
		length = 0xAA;
		code = SCardControl(card, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, buffer, rooms[i], &length);
		say("room", code, " %lu length %lu", (unsigned long)rooms[i], (unsigned long)length);
	}
	say("no length", SCardControl(card, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, buffer, 300, NULL), " ");
	length = 0xAA;
	say("no buffer", SCardControl(card, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, NULL, 0, &length), " %lu", (unsigned long)length);
	length = 0xAA;
	say("much sent", SCardControl(card, CM_IOCTL_GET_FEATURE_REQUEST, buffer, 65549, buffer, 300, &length), " %lu", (unsigned long)length);
	say("unknown handle", SCardControl(UNKNOWN_CARD, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, buffer, 300, &length), " ");
	section("attributes");
	for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
		length = rooms[i];
		memset(buffer, 0x55, 300);
		code = SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, buffer, &length);
		say("ATR", code, " room %lu length %lu %s", (unsigned long)rooms[i], (unsigned long)length, hex(buffer, 16));
	}
	length = 0xAA;
	say("length only", SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, NULL, &length), " %lu", (unsigned long)length);
	say("no length", SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, buffer, NULL), " ");
	BYTE *allocated = NULL;
	length = SCARD_AUTOALLOCATE;
	code = SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, (LPBYTE)&allocated, &length);
	say("allocated", code, " %lu %s", (unsigned long)length, code == 0 ? hex(allocated, length) : "-");
	say("freed", SCardFreeMemory(context, allocated), " ");
	length = 300;
	say("no such attribute", SCardGetAttrib(card, 0x12345, buffer, &length), " %lu", (unsigned long)length);
	length = 264;
	say("no such attribute", SCardGetAttrib(card, 0x12345, buffer, &length), " %lu", (unsigned long)length);
	length = 264;
	say("unknown handle", SCardGetAttrib(UNKNOWN_CARD, SCARD_ATTR_ATR_STRING, buffer, &length), " ");
	static const DWORD ids[] = { SCARD_ATTR_ATR_STRING, SCARD_ATTR_VENDOR_NAME, SCARD_ATTR_SUPRESS_T1_IFS_REQUEST, 0x12345 };
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		say("set", SCardSetAttrib(card, ids[i], buffer, 1), " %lX", (unsigned long)ids[i]);
		say("set, nothing", SCardSetAttrib(card, ids[i], NULL, 0), " %lX", (unsigned long)ids[i]);
		say("set, empty", SCardSetAttrib(card, ids[i], buffer, 0), " %lX", (unsigned long)ids[i]);
		say("set, much", SCardSetAttrib(card, ids[i], buffer, 265), " %lX", (unsigned long)ids[i]);
	}
	say("set, unknown handle", SCardSetAttrib(UNKNOWN_CARD, SCARD_ATTR_ATR_STRING, buffer, 1), " ");
}

int main(void)
{
	begin_session();
	contexts();
	readers();
	texts();
	SCARDHANDLE card = join_as(context, SCARD_SHARE_SHARED, ANY, "connect");
	status_buffers(card);
	transmit(card);
	show_status(card, "after that");
	control_and_attributes(card);
	say("disconnect", SCardDisconnect(card, SCARD_LEAVE_CARD), " ");
	say("release", SCardReleaseContext(other), " ");
	say("release", SCardReleaseContext(context), " ");
	return 0;
}
