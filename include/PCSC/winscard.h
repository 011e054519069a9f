/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The functions of PC/SC part 5, as libpcsclite and winscard.dll have them.
 *
 * Every function but the last returns SCARD_S_SUCCESS or one of the codes of pcsclite.h. A length that goes in and out counts bytes: it
 * says how much room there is and comes back as what was stored, or as what is needed. SCARD_AUTOALLOCATE as that length has the
 * library allocate the memory; the buffer argument then is the address of a pointer, and SCardFreeMemory gives the memory back.
 *
 * winscard_aw.h has what Windows has beyond that: functions in an A and a W form, the reader and card database, the cache. With UNICODE
 * defined the plain names mean the W forms, as on Windows; without, they are pcsc-lite's functions.
 */

#ifndef WINSCARD_WINSCARD_H
#define WINSCARD_WINSCARD_H

#include "pcsclite.h"

#ifndef PCSC_API
#define PCSC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Contexts. */

PCSC_API LONG SCardEstablishContext(DWORD dwScope, LPCVOID pvReserved1, LPCVOID pvReserved2, LPSCARDCONTEXT phContext);
PCSC_API LONG SCardReleaseContext(SCARDCONTEXT hContext);
PCSC_API LONG SCardIsValidContext(SCARDCONTEXT hContext);
PCSC_API LONG SCardCancel(SCARDCONTEXT hContext);
PCSC_API LONG SCardFreeMemory(SCARDCONTEXT hContext, LPCVOID pvMem);

/* Readers. Lists of names are multi-strings: each name ends in a NUL, the list in one more. */

PCSC_API LONG SCardListReaders(SCARDCONTEXT hContext, LPCSTR mszGroups, LPSTR mszReaders, LPDWORD pcchReaders);
PCSC_API LONG SCardListReaderGroups(SCARDCONTEXT hContext, LPSTR mszGroups, LPDWORD pcchGroups);
PCSC_API LONG SCardGetStatusChange(SCARDCONTEXT hContext, DWORD dwTimeout, SCARD_READERSTATE *rgReaderStates,
    DWORD cReaders);

/* Cards. */

PCSC_API LONG SCardConnect(SCARDCONTEXT hContext, LPCSTR szReader, DWORD dwShareMode, DWORD dwPreferredProtocols,
    LPSCARDHANDLE phCard, LPDWORD pdwActiveProtocol);
PCSC_API LONG SCardReconnect(SCARDHANDLE hCard, DWORD dwShareMode, DWORD dwPreferredProtocols, DWORD dwInitialization,
    LPDWORD pdwActiveProtocol);
PCSC_API LONG SCardDisconnect(SCARDHANDLE hCard, DWORD dwDisposition);
PCSC_API LONG SCardBeginTransaction(SCARDHANDLE hCard);
PCSC_API LONG SCardEndTransaction(SCARDHANDLE hCard, DWORD dwDisposition);
PCSC_API LONG SCardStatus(SCARDHANDLE hCard, LPSTR mszReaderName, LPDWORD pcchReaderLen, LPDWORD pdwState,
    LPDWORD pdwProtocol, LPBYTE pbAtr, LPDWORD pcbAtrLen);

/* Exchanges. */

PCSC_API LONG SCardTransmit(SCARDHANDLE hCard, const SCARD_IO_REQUEST *pioSendPci, LPCBYTE pbSendBuffer,
    DWORD cbSendLength, SCARD_IO_REQUEST *pioRecvPci, LPBYTE pbRecvBuffer, LPDWORD pcbRecvLength);
PCSC_API LONG SCardControl(SCARDHANDLE hCard, DWORD dwControlCode, LPCVOID pbSendBuffer, DWORD cbSendLength,
    LPVOID pbRecvBuffer, DWORD cbRecvLength, LPDWORD lpBytesReturned);
PCSC_API LONG SCardGetAttrib(SCARDHANDLE hCard, DWORD dwAttrId, LPBYTE pbAttr, LPDWORD pcbAttrLen);
PCSC_API LONG SCardSetAttrib(SCARDHANDLE hCard, DWORD dwAttrId, LPCBYTE pbAttr, DWORD cbAttrLen);

#ifdef __cplusplus
}
#endif

#ifndef WINSCARD_PCSCLITE_ONLY
#include "winsmcrd.h"

#include "winscard_aw.h"
#endif

#endif
