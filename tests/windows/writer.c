/* SPDX-License-Identifier: MIT OR Apache-2.0
 * One of several processes that write the user's reader and card database at once. "N": introduces 8 readers with names of its own;
 * "count M": says how many of M are there; "clear M": forgets them and counts; "cards": names the kinds of cards.
 */
#ifdef _WIN32
#include <windows.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <winscard.h>

static SCARDCONTEXT context;

static void name_of(char *name, int number)
{
	sprintf(name, "writer %d %d", number / 8, number % 8);
}

/* Introducing a name again tells that it is there. */
static int is_there(const char *name)
{
	LONG result = SCardIntroduceReaderA(context, name, "some device");
	if (result == SCARD_S_SUCCESS)
		SCardForgetReaderA(context, name);
	return result == SCARD_E_DUPLICATE_READER;
}

static int cards(void)
{
	char names[1000] = "";
	DWORD length = sizeof names;
	const char *name;
	if (SCardListCardsA(context, NULL, NULL, 0, names, &length) != SCARD_S_SUCCESS)
		return 5;
	for (name = names; *name; name += strlen(name) + 1)
		printf("%s\n", name);
	return 0;
}

int main(int count, char **words)
{
	char name[100];
	int i, found = 0, most = count > 2 ? atoi(words[2]) : 0;
	if (count < 2 || SCardEstablishContext(SCARD_SCOPE_USER, NULL, NULL, &context) != SCARD_S_SUCCESS)
		return 2;
	if (!strcmp(words[1], "cards"))
		return cards();
	if (most == 0) {
		for (i = 0; i < 8; i++) {
			name_of(name, atoi(words[1]) * 8 + i);
			if (SCardIntroduceReaderA(context, name, "some device") != SCARD_S_SUCCESS)
				return 3;
		}
		return 0;
	}
	for (i = 0; i < most; i++) {
		name_of(name, i);
		if (!strcmp(words[1], "clear"))
			SCardForgetReaderA(context, name);
		found += is_there(name);
	}
	printf("%d of %d\n", found, most);
	return 0;
}
