/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What winscard.dll has and libpcsclite has not. Included by winscard.h.
 *
 * Functions with strings have two forms: A takes and gives bytes (UTF-8), W UTF-16; lengths of strings count units of the form. Numbers are
 * as wide, and result codes have the values, that pcsc-lite gives them on this platform. hContext may be 0 where Microsoft says so; what is
 * allocated then is given back with free(), or with SCardFreeMemory and any context.
 *
 * Dialogs (SCardUIDlgSelectCard, GetOpenCardName, SCardDlgExtendedError) live in another library, scarddlg.dll, and are not here.
 */

#ifndef WINSCARD_WINSCARD_AW_H
#define WINSCARD_WINSCARD_AW_H

#include "pcsclite.h"

#ifndef PCSC_API
#define PCSC_API
#endif
#ifndef WINSCARDAPI
#define WINSCARDAPI PCSC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __APPLE__
#pragma pack(1)
#endif

/* One entry of SCardGetStatusChange and SCardLocateCards. The plain type is the A form's. */
typedef SCARD_READERSTATE SCARD_READERSTATEA;
typedef SCARD_READERSTATEA *PSCARD_READERSTATEA, *LPSCARD_READERSTATEA;
typedef struct {
    LPCWSTR szReader;
    void *pvUserData; /* yours, never touched */
    DWORD dwCurrentState; /* SCARD_STATE_... as you know it */
    DWORD dwEventState; /* SCARD_STATE_... as it is; upper 16 bits: event counter */
    DWORD cbAtr;
    unsigned char rgbAtr[MAX_ATR_SIZE];
} SCARD_READERSTATEW, *PSCARD_READERSTATEW, *LPSCARD_READERSTATEW;

/* What SCardLocateCardsByATR looks for: a card's ATR matches if, with the bits outside of the mask cleared, it is rgbAtr. */
typedef struct _SCARD_ATRMASK {
    DWORD cbAtr; /* bytes of both */
    BYTE rgbAtr[36];
    BYTE rgbMask[36];
} SCARD_ATRMASK, *PSCARD_ATRMASK, *LPSCARD_ATRMASK;

#ifdef __APPLE__
#pragma pack()
#endif

/* A union without a name: standard in C11 and C++, an extension elsewhere. */
#ifdef __GNUC__
#define WINSCARD_ANONYMOUS __extension__
#else
#define WINSCARD_ANONYMOUS
#endif

/* Protocol control information of T=0 and T=1. This library looks at the protocol in it only. */
typedef struct {
    BYTE bCla, bIns, bP1, bP2, bP3;
} SCARD_T0_COMMAND, *LPSCARD_T0_COMMAND;
typedef struct {
    SCARD_IO_REQUEST ioRequest;
    BYTE bSw1, bSw2;
    WINSCARD_ANONYMOUS union {
        SCARD_T0_COMMAND CmdBytes;
        BYTE rgbHeader[5];
    };
} SCARD_T0_REQUEST, *PSCARD_T0_REQUEST, *LPSCARD_T0_REQUEST;
typedef struct {
    SCARD_IO_REQUEST ioRequest;
} SCARD_T1_REQUEST, *PSCARD_T1_REQUEST, *LPSCARD_T1_REQUEST;

#undef WINSCARD_ANONYMOUS

/* Result codes. */
#define SCARD_E_PIN_CACHE_EXPIRED ((LONG)0x80100032)
#define SCARD_E_NO_PIN_CACHE ((LONG)0x80100033)
#define SCARD_E_READ_ONLY_CARD ((LONG)0x80100034)
#define SCARD_W_CACHE_ITEM_NOT_FOUND ((LONG)0x80100070)
#define SCARD_W_CACHE_ITEM_STALE ((LONG)0x80100071)
#define SCARD_W_CACHE_ITEM_TOO_BIG ((LONG)0x80100072)

/* Groups of readers. Those of the last two names are always empty. */
#define SCARD_ALL_READERS TEXT("SCard$AllReaders\000")
#define SCARD_DEFAULT_READERS TEXT("SCard$DefaultReaders\000")
#define SCARD_LOCAL_READERS TEXT("SCard$LocalReaders\000")
#define SCARD_SYSTEM_READERS TEXT("SCard$SystemReaders\000")

/* Providers of a kind of card. */
#define SCARD_PROVIDER_PRIMARY 1
#define SCARD_PROVIDER_CSP 2
#define SCARD_PROVIDER_KSP 3
#define SCARD_PROVIDER_CARD_MODULE 0x80000001

/* Events of SCardAudit. */
#define SCARD_AUDIT_CHV_FAILURE 0x0
#define SCARD_AUDIT_CHV_SUCCESS 0x1

/* Readers and groups. */

PCSC_API LONG SCardListReadersA(SCARDCONTEXT hContext, LPCSTR mszGroups, LPSTR mszReaders, LPDWORD pcchReaders);
PCSC_API LONG SCardListReadersW(SCARDCONTEXT hContext, LPCWSTR mszGroups, LPWSTR mszReaders, LPDWORD pcchReaders);
PCSC_API LONG SCardListReaderGroupsA(SCARDCONTEXT hContext, LPSTR mszGroups, LPDWORD pcchGroups);
PCSC_API LONG SCardListReaderGroupsW(SCARDCONTEXT hContext, LPWSTR mszGroups, LPDWORD pcchGroups);
PCSC_API LONG SCardIntroduceReaderGroupA(SCARDCONTEXT hContext, LPCSTR szGroupName);
PCSC_API LONG SCardIntroduceReaderGroupW(SCARDCONTEXT hContext, LPCWSTR szGroupName);
PCSC_API LONG SCardForgetReaderGroupA(SCARDCONTEXT hContext, LPCSTR szGroupName);
PCSC_API LONG SCardForgetReaderGroupW(SCARDCONTEXT hContext, LPCWSTR szGroupName);
PCSC_API LONG SCardIntroduceReaderA(SCARDCONTEXT hContext, LPCSTR szReaderName, LPCSTR szDeviceName);
PCSC_API LONG SCardIntroduceReaderW(SCARDCONTEXT hContext, LPCWSTR szReaderName, LPCWSTR szDeviceName);
PCSC_API LONG SCardForgetReaderA(SCARDCONTEXT hContext, LPCSTR szReaderName);
PCSC_API LONG SCardForgetReaderW(SCARDCONTEXT hContext, LPCWSTR szReaderName);
PCSC_API LONG SCardAddReaderToGroupA(SCARDCONTEXT hContext, LPCSTR szReaderName, LPCSTR szGroupName);
PCSC_API LONG SCardAddReaderToGroupW(SCARDCONTEXT hContext, LPCWSTR szReaderName, LPCWSTR szGroupName);
PCSC_API LONG SCardRemoveReaderFromGroupA(SCARDCONTEXT hContext, LPCSTR szReaderName, LPCSTR szGroupName);
PCSC_API LONG SCardRemoveReaderFromGroupW(SCARDCONTEXT hContext, LPCWSTR szReaderName, LPCWSTR szGroupName);
PCSC_API LONG SCardGetStatusChangeA(SCARDCONTEXT hContext, DWORD dwTimeout, LPSCARD_READERSTATEA rgReaderStates,
    DWORD cReaders);
PCSC_API LONG SCardGetStatusChangeW(SCARDCONTEXT hContext, DWORD dwTimeout, LPSCARD_READERSTATEW rgReaderStates,
    DWORD cReaders);

/* Kinds of cards. */

PCSC_API LONG SCardListCardsA(SCARDCONTEXT hContext, LPCBYTE pbAtr, LPCGUID rgquidInterfaces,
    DWORD cguidInterfaceCount, LPSTR mszCards, LPDWORD pcchCards);
PCSC_API LONG SCardListCardsW(SCARDCONTEXT hContext, LPCBYTE pbAtr, LPCGUID rgquidInterfaces,
    DWORD cguidInterfaceCount, LPWSTR mszCards, LPDWORD pcchCards);
PCSC_API LONG SCardListInterfacesA(SCARDCONTEXT hContext, LPCSTR szCard, LPGUID pguidInterfaces,
    LPDWORD pcguidInterfaces);
PCSC_API LONG SCardListInterfacesW(SCARDCONTEXT hContext, LPCWSTR szCard, LPGUID pguidInterfaces,
    LPDWORD pcguidInterfaces);
PCSC_API LONG SCardGetProviderIdA(SCARDCONTEXT hContext, LPCSTR szCard, LPGUID pguidProviderId);
PCSC_API LONG SCardGetProviderIdW(SCARDCONTEXT hContext, LPCWSTR szCard, LPGUID pguidProviderId);
PCSC_API LONG SCardGetCardTypeProviderNameA(SCARDCONTEXT hContext, LPCSTR szCardName, DWORD dwProviderId,
    LPSTR szProvider, LPDWORD pcchProvider);
PCSC_API LONG SCardGetCardTypeProviderNameW(SCARDCONTEXT hContext, LPCWSTR szCardName, DWORD dwProviderId,
    LPWSTR szProvider, LPDWORD pcchProvider);
PCSC_API LONG SCardSetCardTypeProviderNameA(SCARDCONTEXT hContext, LPCSTR szCardName, DWORD dwProviderId,
    LPCSTR szProvider);
PCSC_API LONG SCardSetCardTypeProviderNameW(SCARDCONTEXT hContext, LPCWSTR szCardName, DWORD dwProviderId,
    LPCWSTR szProvider);
PCSC_API LONG SCardIntroduceCardTypeA(SCARDCONTEXT hContext, LPCSTR szCardName, LPCGUID pguidPrimaryProvider,
    LPCGUID rgguidInterfaces, DWORD dwInterfaceCount, LPCBYTE pbAtr, LPCBYTE pbAtrMask, DWORD cbAtrLen);
PCSC_API LONG SCardIntroduceCardTypeW(SCARDCONTEXT hContext, LPCWSTR szCardName, LPCGUID pguidPrimaryProvider,
    LPCGUID rgguidInterfaces, DWORD dwInterfaceCount, LPCBYTE pbAtr, LPCBYTE pbAtrMask, DWORD cbAtrLen);
PCSC_API LONG SCardForgetCardTypeA(SCARDCONTEXT hContext, LPCSTR szCardName);
PCSC_API LONG SCardForgetCardTypeW(SCARDCONTEXT hContext, LPCWSTR szCardName);
PCSC_API LONG SCardLocateCardsA(SCARDCONTEXT hContext, LPCSTR mszCards, LPSCARD_READERSTATEA rgReaderStates,
    DWORD cReaders);
PCSC_API LONG SCardLocateCardsW(SCARDCONTEXT hContext, LPCWSTR mszCards, LPSCARD_READERSTATEW rgReaderStates,
    DWORD cReaders);
PCSC_API LONG SCardLocateCardsByATRA(SCARDCONTEXT hContext, const SCARD_ATRMASK *rgAtrMasks, DWORD cAtrs,
    LPSCARD_READERSTATEA rgReaderStates, DWORD cReaders);
PCSC_API LONG SCardLocateCardsByATRW(SCARDCONTEXT hContext, const SCARD_ATRMASK *rgAtrMasks, DWORD cAtrs,
    LPSCARD_READERSTATEW rgReaderStates, DWORD cReaders);

/* Connections. */

PCSC_API LONG SCardConnectA(SCARDCONTEXT hContext, LPCSTR szReader, DWORD dwShareMode, DWORD dwPreferredProtocols,
    LPSCARDHANDLE phCard, LPDWORD pdwActiveProtocol);
PCSC_API LONG SCardConnectW(SCARDCONTEXT hContext, LPCWSTR szReader, DWORD dwShareMode, DWORD dwPreferredProtocols,
    LPSCARDHANDLE phCard, LPDWORD pdwActiveProtocol);
PCSC_API LONG SCardStatusA(SCARDHANDLE hCard, LPSTR mszReaderNames, LPDWORD pcchReaderLen, LPDWORD pdwState,
    LPDWORD pdwProtocol, LPBYTE pbAtr, LPDWORD pcbAtrLen);
PCSC_API LONG SCardStatusW(SCARDHANDLE hCard, LPWSTR mszReaderNames, LPDWORD pcchReaderLen, LPDWORD pdwState,
    LPDWORD pdwProtocol, LPBYTE pbAtr, LPDWORD pcbAtrLen);

/* The cache: what programs keep of the contents of cards. */

PCSC_API LONG SCardReadCacheA(SCARDCONTEXT hContext, const UUID *CardIdentifier, DWORD FreshnessCounter,
    LPCSTR LookupName, PBYTE Data, DWORD *DataLen);
PCSC_API LONG SCardReadCacheW(SCARDCONTEXT hContext, const UUID *CardIdentifier, DWORD FreshnessCounter,
    LPCWSTR LookupName, PBYTE Data, DWORD *DataLen);
PCSC_API LONG SCardWriteCacheA(SCARDCONTEXT hContext, const UUID *CardIdentifier, DWORD FreshnessCounter,
    LPCSTR LookupName, const BYTE *Data, DWORD DataLen);
PCSC_API LONG SCardWriteCacheW(SCARDCONTEXT hContext, const UUID *CardIdentifier, DWORD FreshnessCounter,
    LPCWSTR LookupName, const BYTE *Data, DWORD DataLen);

/* Readers as devices. */

PCSC_API LONG SCardGetReaderIconA(SCARDCONTEXT hContext, LPCSTR szReaderName, LPBYTE pbIcon, LPDWORD pcbIcon);
PCSC_API LONG SCardGetReaderIconW(SCARDCONTEXT hContext, LPCWSTR szReaderName, LPBYTE pbIcon, LPDWORD pcbIcon);
PCSC_API LONG SCardGetDeviceTypeIdA(SCARDCONTEXT hContext, LPCSTR szReaderName, LPDWORD pdwDeviceTypeId);
PCSC_API LONG SCardGetDeviceTypeIdW(SCARDCONTEXT hContext, LPCWSTR szReaderName, LPDWORD pdwDeviceTypeId);
PCSC_API LONG SCardGetReaderDeviceInstanceIdA(SCARDCONTEXT hContext, LPCSTR szReaderName, LPSTR szDeviceInstanceId,
    LPDWORD pcchDeviceInstanceId);
PCSC_API LONG SCardGetReaderDeviceInstanceIdW(SCARDCONTEXT hContext, LPCWSTR szReaderName,
    LPWSTR szDeviceInstanceId, LPDWORD pcchDeviceInstanceId);
PCSC_API LONG SCardListReadersWithDeviceInstanceIdA(SCARDCONTEXT hContext, LPCSTR szDeviceInstanceId,
    LPSTR mszReaders, LPDWORD pcchReaders);
PCSC_API LONG SCardListReadersWithDeviceInstanceIdW(SCARDCONTEXT hContext, LPCWSTR szDeviceInstanceId,
    LPWSTR mszReaders, LPDWORD pcchReaders);

/* Without strings. */

PCSC_API LONG SCardState(SCARDHANDLE hCard, LPDWORD pdwState, LPDWORD pdwProtocol, LPBYTE pbAtr, LPDWORD pcbAtrLen);
PCSC_API LONG SCardGetTransmitCount(SCARDHANDLE hCard, LPDWORD pcTransmitCount);
PCSC_API LONG SCardAudit(SCARDCONTEXT hContext, DWORD dwEvent);
PCSC_API HANDLE SCardAccessStartedEvent(void);
PCSC_API void SCardReleaseStartedEvent(void);

#ifdef __cplusplus
}
#endif

/* The names without a letter. Without UNICODE those that pcsc-lite has too are its functions, declared in winscard.h. */
#ifdef UNICODE
#define SCARD_READERSTATE SCARD_READERSTATEW
#define PSCARD_READERSTATE PSCARD_READERSTATEW
#define LPSCARD_READERSTATE LPSCARD_READERSTATEW
#define SCardListReaders SCardListReadersW
#define SCardListReaderGroups SCardListReaderGroupsW
#define SCardIntroduceReaderGroup SCardIntroduceReaderGroupW
#define SCardForgetReaderGroup SCardForgetReaderGroupW
#define SCardIntroduceReader SCardIntroduceReaderW
#define SCardForgetReader SCardForgetReaderW
#define SCardAddReaderToGroup SCardAddReaderToGroupW
#define SCardRemoveReaderFromGroup SCardRemoveReaderFromGroupW
#define SCardGetStatusChange SCardGetStatusChangeW
#define SCardListCards SCardListCardsW
#define SCardListInterfaces SCardListInterfacesW
#define SCardGetProviderId SCardGetProviderIdW
#define SCardGetCardTypeProviderName SCardGetCardTypeProviderNameW
#define SCardSetCardTypeProviderName SCardSetCardTypeProviderNameW
#define SCardIntroduceCardType SCardIntroduceCardTypeW
#define SCardForgetCardType SCardForgetCardTypeW
#define SCardLocateCards SCardLocateCardsW
#define SCardLocateCardsByATR SCardLocateCardsByATRW
#define SCardConnect SCardConnectW
#define SCardStatus SCardStatusW
#define SCardReadCache SCardReadCacheW
#define SCardWriteCache SCardWriteCacheW
#define SCardGetReaderIcon SCardGetReaderIconW
#define SCardGetDeviceTypeId SCardGetDeviceTypeIdW
#define SCardGetReaderDeviceInstanceId SCardGetReaderDeviceInstanceIdW
#define SCardListReadersWithDeviceInstanceId SCardListReadersWithDeviceInstanceIdW
#else
typedef SCARD_READERSTATE *PSCARD_READERSTATE;
#define SCardIntroduceReaderGroup SCardIntroduceReaderGroupA
#define SCardForgetReaderGroup SCardForgetReaderGroupA
#define SCardIntroduceReader SCardIntroduceReaderA
#define SCardForgetReader SCardForgetReaderA
#define SCardAddReaderToGroup SCardAddReaderToGroupA
#define SCardRemoveReaderFromGroup SCardRemoveReaderFromGroupA
#define SCardListCards SCardListCardsA
#define SCardListInterfaces SCardListInterfacesA
#define SCardGetProviderId SCardGetProviderIdA
#define SCardGetCardTypeProviderName SCardGetCardTypeProviderNameA
#define SCardSetCardTypeProviderName SCardSetCardTypeProviderNameA
#define SCardIntroduceCardType SCardIntroduceCardTypeA
#define SCardForgetCardType SCardForgetCardTypeA
#define SCardLocateCards SCardLocateCardsA
#define SCardLocateCardsByATR SCardLocateCardsByATRA
#define SCardReadCache SCardReadCacheA
#define SCardWriteCache SCardWriteCacheA
#define SCardGetReaderIcon SCardGetReaderIconA
#define SCardGetDeviceTypeId SCardGetDeviceTypeIdA
#define SCardGetReaderDeviceInstanceId SCardGetReaderDeviceInstanceIdA
#define SCardListReadersWithDeviceInstanceId SCardListReadersWithDeviceInstanceIdA
#endif

/* Older names. */
#define SCardListCardTypes SCardListCards
#define SCardGetReaderCapabilities SCardGetAttrib
#define SCardSetReaderCapabilities SCardSetAttrib
#define PCSCardIntroduceCardType(hContext, szCardName, pbAtr, pbAtrMask, cbAtrLen, pguidPrimaryProvider, rgguidInterfaces, \
    dwInterfaceCount) \
    SCardIntroduceCardType( \
        hContext, szCardName, pguidPrimaryProvider, rgguidInterfaces, dwInterfaceCount, pbAtr, pbAtrMask, cbAtrLen)

#endif
