/* SPDX-License-Identifier: MIT OR Apache-2.0
 * bytes: every observable result of a fixed list of calls at every reader, in the order of the list; nothing is judged. Two libraries that
 * do the same print the same. Each line begins with the reader's name.
 *
 * bytes COUNT: only whether there are so many readers with a card. */
#include <arpa/inet.h>
#include "pcsc.h"

static const char *reader;

static void line(const char *what, LONG code)
{
	printf("%s | %s: %08lX", reader, what, (unsigned long)code);
}

/* The bytes; of many, the length, the ends and a sum that no two texts share by chance. */
static void show(const BYTE *data, DWORD length)
{
	unsigned sum = 2166136261u;

	printf(" [%lu]", (unsigned long)length);
	for (DWORD i = 0; i < length; i++) {
		sum = (sum ^ data[i]) * 16777619u;
		if (length <= 40 || i < 4 || i + 4 >= length)
			printf("%s%02X", length > 40 && i + 4 == length ? ".." : " ", data[i]);
	}
	if (length > 40)
		printf(" sum %08X", sum);
}

static void status(SCARDHANDLE card)
{
	char name[MAX_READERNAME];
	BYTE atr[MAX_ATR_SIZE];
	DWORD name_length = sizeof name, atr_length = sizeof atr, state = 0, protocol = 0;
	LONG code = SCardStatus(card, name, &name_length, &state, &protocol, atr, &atr_length);

	line("status", code);
	if (code == SCARD_S_SUCCESS) {
		printf(" %.*s (%lu), state %lX, protocol %lX", (int)name_length, name, (unsigned long)name_length, (unsigned long)state, (unsigned long)protocol);
		show(atr, atr_length);
	}
	puts("");
}

static void apdu(SCARDHANDLE card, DWORD protocol, const char *what, const BYTE *command, DWORD length, DWORD room)
{
	static BYTE answer[65600];
	SCARD_IO_REQUEST in = { protocol, sizeof in }, out = { 0, sizeof out };
	DWORD got = room;
	LONG code = SCardTransmit(card, &in, command, length, &out, answer, &got);

	line(what, code);
	if (code == SCARD_S_SUCCESS) {
		printf(" protocol %lX/%lu", (unsigned long)out.dwProtocol, (unsigned long)out.cbPciLength);
		show(answer, got);
	} else {
		printf(" length %lu", (unsigned long)got);
	}
	puts("");
}

/* 80 12: data comes back; without data P1P2 bytes counting up. */
static void apdus(SCARDHANDLE card, DWORD protocol)
{
	static const struct { const char *what; BYTE bytes[12]; DWORD length; } fixed[] = {
		{ "select MF", { 0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00 }, 7 },
		{ "select EF", { 0x00, 0xA4, 0x00, 0x00, 0x02, 0x00, 0x01 }, 7 },
		{ "read 256", { 0x00, 0xB0, 0x00, 0x00, 0x00 }, 5 },
		{ "read 64", { 0x00, 0xB0, 0x01, 0x00, 0x40 }, 5 },
		{ "read 54", { 0x00, 0xB0, 0x01, 0x00, 0x36 }, 5 },
		{ "read 1", { 0x00, 0xB0, 0x01, 0x00, 0x01 }, 5 },
		{ "read beyond", { 0x00, 0xB0, 0x7F, 0xFF, 0x10 }, 5 },
		{ "no file", { 0x00, 0xA4, 0x00, 0x00, 0x02, 0x77, 0x77 }, 7 },
		{ "no instruction", { 0x00, 0x02, 0x00, 0x00, 0x00 }, 5 },
		{ "no class", { 0xE0, 0x02, 0x00, 0x00, 0x00 }, 5 },
		{ "four bytes", { 0x80, 0x12, 0x00, 0x00 }, 4 },
		{ "challenge", { 0x00, 0x84, 0x00, 0x00, 0x08 }, 5 },
		{ "tries left", { 0x00, 0x20, 0x00, 0x01 }, 4 },
		{ "wrong PIN", { 0x00, 0x20, 0x00, 0x01, 0x04, 0x39, 0x39, 0x39, 0x39 }, 9 },
		{ "right PIN", { 0x00, 0x20, 0x00, 0x01, 0x04, 0x31, 0x32, 0x33, 0x34 }, 9 },
		{ "slow", { 0x80, 0x10, 0x04, 0xB0, 0x00 }, 5 },
		{ "three bytes", { 0x00, 0xA4, 0x00 }, 3 },
	};
	static const unsigned sizes[] = { 1, 2, 44, 49, 51, 54, 100, 107, 200, 249, 254, 255 };
	static BYTE command[5 + 255 + 1];
	char what[40];

	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		apdu(card, protocol, fixed[i].what, fixed[i].bytes, fixed[i].length, 258);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		unsigned n = sizes[i];

		memcpy(command, (BYTE[]){ 0x80, 0x12, 0, 0, (BYTE)n }, 5);
		for (unsigned k = 0; k < n; k++)
			command[5 + k] = (BYTE)(n + 3 * k);
		snprintf(what, sizeof what, "echo %u", n);
		apdu(card, protocol, what, command, 5 + n, 258);
		snprintf(what, sizeof what, "echo %u, Le", n);
		command[5 + n] = 0;
		apdu(card, protocol, what, command, 6 + n, 258);
		memcpy(command, (BYTE[]){ 0x80, 0x12, 0, (BYTE)n, (BYTE)n }, 5);
		snprintf(what, sizeof what, "fetch %u", n);
		apdu(card, protocol, what, command, 5, 258);
	}
	apdu(card, protocol, "small buffer", (const BYTE[]){ 0x80, 0x12, 0, 0x20, 0x20 }, 5, 8);
}

/* Extended length fields: what a reader and a protocol cannot is refused in one way or another. */
static void long_apdus(SCARDHANDLE card, DWORD protocol)
{
	static BYTE command[7 + 4000 + 2];
	static const unsigned sizes[] = { 256, 300, 1014, 2000, 4000 };
	char what[40];

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		unsigned n = sizes[i];

		memcpy(command, (BYTE[]){ 0x80, 0x12, 0, 0, 0, (BYTE)(n >> 8), (BYTE)n }, 7);
		for (unsigned k = 0; k < n; k++)
			command[7 + k] = (BYTE)(n + 5 * k);
		command[7 + n] = command[8 + n] = 0;
		snprintf(what, sizeof what, "long echo %u", n);
		apdu(card, protocol, what, command, 9 + n, 65538);
		memcpy(command, (BYTE[]){ 0x80, 0x12, (BYTE)(n >> 8), (BYTE)n, 0, 0, 0 }, 7);
		snprintf(what, sizeof what, "long fetch %u", n);
		apdu(card, protocol, what, command, 7, 65538);
	}
}

static void attributes(SCARDHANDLE card)
{
	static const DWORD ids[] = {
		SCARD_ATTR_VENDOR_NAME, SCARD_ATTR_VENDOR_IFD_TYPE, SCARD_ATTR_VENDOR_IFD_VERSION, SCARD_ATTR_VENDOR_IFD_SERIAL_NO, SCARD_ATTR_CHANNEL_ID,
		SCARD_ATTR_ASYNC_PROTOCOL_TYPES, SCARD_ATTR_DEFAULT_CLK, SCARD_ATTR_MAX_CLK, SCARD_ATTR_DEFAULT_DATA_RATE, SCARD_ATTR_MAX_DATA_RATE,
		SCARD_ATTR_MAX_IFSD, SCARD_ATTR_SYNC_PROTOCOL_TYPES, SCARD_ATTR_POWER_MGMT_SUPPORT, SCARD_ATTR_USER_TO_CARD_AUTH_DEVICE,
		SCARD_ATTR_USER_AUTH_INPUT_DEVICE, SCARD_ATTR_CHARACTERISTICS, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, SCARD_ATTR_CURRENT_CLK, SCARD_ATTR_CURRENT_F,
		SCARD_ATTR_CURRENT_D, SCARD_ATTR_CURRENT_N, SCARD_ATTR_CURRENT_W, SCARD_ATTR_CURRENT_IFSC, SCARD_ATTR_CURRENT_IFSD, SCARD_ATTR_CURRENT_BWT,
		SCARD_ATTR_CURRENT_CWT, SCARD_ATTR_CURRENT_EBC_ENCODING, SCARD_ATTR_EXTENDED_BWT, SCARD_ATTR_ICC_PRESENCE, SCARD_ATTR_ICC_INTERFACE_STATUS,
		SCARD_ATTR_CURRENT_IO_STATE, SCARD_ATTR_ATR_STRING, SCARD_ATTR_ICC_TYPE_PER_ATR, SCARD_ATTR_ESC_RESET, SCARD_ATTR_ESC_CANCEL,
		SCARD_ATTR_ESC_AUTHREQUEST, SCARD_ATTR_MAXINPUT, SCARD_ATTR_DEVICE_UNIT, SCARD_ATTR_DEVICE_IN_USE, SCARD_ATTR_DEVICE_FRIENDLY_NAME_A,
		SCARD_ATTR_DEVICE_SYSTEM_NAME_A, SCARD_ATTR_DEVICE_FRIENDLY_NAME_W, SCARD_ATTR_DEVICE_SYSTEM_NAME_W, SCARD_ATTR_SUPRESS_T1_IFS_REQUEST,
	};

	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		BYTE value[264];
		DWORD length = sizeof value;
		LONG code = SCardGetAttrib(card, ids[i], value, &length);
		char what[40];

		snprintf(what, sizeof what, "attribute %05lX", (unsigned long)ids[i]);
		line(what, code);
		if (code == SCARD_S_SUCCESS)
			show(value, length);
		puts("");
	}
}

/* bFormat etc. of CCID 1.1 §6.1.11: ASCII digits, left-justified, the PIN as long as it is, put behind Lc. */
static DWORD verification(BYTE *bytes)
{
	PIN_VERIFY_STRUCTURE *pin = (void *)bytes;
	static const BYTE template[] = { 0x00, 0x20, 0x00, 0x01, 0x04, 0xFF, 0xFF, 0xFF, 0xFF };

	memset(bytes, 0, sizeof *pin);
	pin->bTimerOut = 10;
	pin->bmFormatString = 0x82;
	pin->bmPINBlockString = 0x04;
	pin->wPINMaxExtraDigit = 0x0404;
	pin->bEntryValidationCondition = 2;
	pin->bNumberMessage = 1;
	pin->wLangId = 0x0409;
	pin->ulDataLength = sizeof template;
	memcpy(pin->abData, template, sizeof template);
	return sizeof *pin + sizeof template;
}

static void control(SCARDHANDLE card, const char *what, DWORD code, const BYTE *data, DWORD length)
{
	BYTE answer[300];
	DWORD got = 0;
	LONG result = SCardControl(card, code, data, length, answer, sizeof answer, &got);

	line(what, result);
	show(answer, got <= sizeof answer ? got : 0);
	puts("");
}

static void features(SCARDHANDLE card)
{
	BYTE answer[300], pin[sizeof(PIN_VERIFY_STRUCTURE) + 16];
	DWORD got = 0;

	control(card, "features", CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0);
	if (SCardControl(card, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, answer, sizeof answer, &got) != SCARD_S_SUCCESS)
		return;
	for (DWORD i = 0; i + 6 <= got; i += 6) {
		DWORD code = (DWORD)answer[i + 2] << 24 | answer[i + 3] << 16 | answer[i + 4] << 8 | answer[i + 5], length;

		switch (answer[i]) {
		case FEATURE_IFD_PIN_PROPERTIES:
			control(card, "PIN properties", code, NULL, 0);
			break;
		case FEATURE_GET_TLV_PROPERTIES:
			control(card, "properties", code, NULL, 0);
			break;
		case FEATURE_VERIFY_PIN_DIRECT:
			length = verification(pin);
			control(card, "verify PIN", code, pin, length);
			control(card, "verify PIN, cut", code, pin, length - 1);
			control(card, "verify PIN, no data", code, pin, 0);
			break;
		default:
			break;
		}
	}
	control(card, "no such control", SCARD_CTL_CODE(3999), NULL, 0);
	control(card, "escape", SCARD_CTL_CODE(1), (const BYTE[]){ 1, 2, 3 }, 3);
}

static void reconnect(SCARDHANDLE card, const char *what, DWORD share, DWORD protocols, DWORD initialization)
{
	DWORD protocol = 0;
	LONG code = SCardReconnect(card, share, protocols, initialization, &protocol);

	line(what, code);
	printf(" protocol %lX\n", (unsigned long)protocol);
}

static SCARDHANDLE connect_as(SCARDCONTEXT context, const char *what, DWORD share, DWORD protocols, DWORD *protocol)
{
	SCARDHANDLE card = 0;

	*protocol = 0;
	LONG code = SCardConnect(context, reader, share, protocols, &card, protocol);
	line(what, code);
	printf(" protocol %lX\n", (unsigned long)*protocol);
	return code == SCARD_S_SUCCESS ? card : 0;
}

static void state(SCARDCONTEXT context, const char *what)
{
	SCARD_READERSTATE now = { .szReader = reader };
	LONG code = SCardGetStatusChange(context, 0, &now, 1);

	line(what, code);
	printf(" %lX", (unsigned long)now.dwEventState & 0xFFFF);
	show(now.rgbAtr, now.cbAtr <= sizeof now.rgbAtr ? now.cbAtr : 0);
	puts("");
}

static void sharing(SCARDCONTEXT context, SCARDCONTEXT other)
{
	DWORD protocol;
	SCARDHANDLE one = connect_as(context, "connect exclusive", SCARD_SHARE_EXCLUSIVE, ANY, &protocol), two;

	if (one) {
		connect_as(other, "connect beside exclusive", SCARD_SHARE_SHARED, ANY, &protocol);
		state(other, "state, exclusive");
		line("disconnect, unpower", SCardDisconnect(one, SCARD_UNPOWER_CARD));
		puts("");
	}
	for (DWORD only = SCARD_PROTOCOL_T0; only <= SCARD_PROTOCOL_T1; only++) {
		one = connect_as(context, only == SCARD_PROTOCOL_T0 ? "connect T=0" : "connect T=1", SCARD_SHARE_SHARED, only, &protocol);
		if (!one)
			continue;
		apdu(one, protocol, "its APDU", (const BYTE[]){ 0x80, 0x12, 0, 5, 5 }, 5, 258);
		two = connect_as(other, "connect beside, other protocol", SCARD_SHARE_SHARED, ANY ^ only, &protocol);
		if (two)
			SCardDisconnect(two, SCARD_LEAVE_CARD);
		two = connect_as(other, "connect beside", SCARD_SHARE_SHARED, ANY, &protocol);
		line("disconnect, reset", SCardDisconnect(one, SCARD_RESET_CARD));
		puts("");
		if (two) {
			apdu(two, protocol, "after the other's reset", (const BYTE[]){ 0x80, 0x12, 0, 5, 5 }, 5, 258);
			SCardDisconnect(two, SCARD_UNPOWER_CARD);
		}
	}
	one = connect_as(context, "connect direct", SCARD_SHARE_DIRECT, 0, &protocol);
	if (one) {
		control(one, "features, direct", CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0);
		SCardDisconnect(one, SCARD_LEAVE_CARD);
	}
}

static void every_call(SCARDCONTEXT context, SCARDCONTEXT other)
{
	DWORD protocol;

	state(context, "state");
	SCARDHANDLE card = connect_as(context, "connect", SCARD_SHARE_SHARED, ANY, &protocol);
	if (!card)
		return;
	state(context, "state, connected");
	status(card);
	apdus(card, protocol);
	attributes(card);
	features(card);
	reconnect(card, "reconnect, leave", SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD);
	reconnect(card, "reconnect, reset", SCARD_SHARE_SHARED, ANY, SCARD_RESET_CARD);
	status(card);
	reconnect(card, "reconnect, unpower", SCARD_SHARE_EXCLUSIVE, ANY, SCARD_UNPOWER_CARD);
	apdu(card, protocol, "selection forgotten", (const BYTE[]){ 0x00, 0xB0, 0, 0, 0x10 }, 5, 258);
	line("begin", SCardBeginTransaction(card));
	puts("");
	line("end, reset", SCardEndTransaction(card, SCARD_RESET_CARD));
	puts("");
	line("end without begin", SCardEndTransaction(card, SCARD_LEAVE_CARD));
	puts("");
	reconnect(card, "reconnect, told of the reset", SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD);
	line("end without begin again", SCardEndTransaction(card, SCARD_LEAVE_CARD));
	puts("");
	long_apdus(card, protocol);
	/* What was refused may have left the card in any state; the next test begins with a fresh one. */
	line("disconnect", SCardDisconnect(card, SCARD_UNPOWER_CARD));
	puts("");
	sharing(context, other);
	state(context, "state at the end");
}

/* Readers with a card in them. */
static unsigned cards(SCARDCONTEXT context)
{
	static char names[16 * MAX_READERNAME];
	DWORD length = sizeof names;
	unsigned count = 0;

	if (SCardListReaders(context, NULL, names, &length) != SCARD_S_SUCCESS)
		return 0;
	for (const char *name = names; *name; name += strlen(name) + 1) {
		SCARD_READERSTATE now = { .szReader = name };

		if (SCardGetStatusChange(context, 0, &now, 1) == SCARD_S_SUCCESS && now.dwEventState & SCARD_STATE_PRESENT && now.cbAtr)
			count++;
	}
	return count;
}

int main(int argc, char **argv)
{
	SCARDCONTEXT context, other;
	static char names[16 * MAX_READERNAME];
	DWORD length = sizeof names;

	setvbuf(stdout, NULL, _IOLBF, 0);
	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	if (argc == 2)
		return cards(context) != (unsigned)atoi(argv[1]);
	OK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &other));
	OK(SCardListReaders(context, NULL, names, &length));
	for (reader = names; *reader; reader += strlen(reader) + 1)
		every_call(context, other);
	OK(SCardReleaseContext(other));
	OK(SCardReleaseContext(context));
	return 0;
}
