// The few declarations of UEFI 2.11 that the payload uses, with the specification's names and layouts.
// A table's unused entries are `void *`: a function pointer takes the same space.
#ifndef PLUGFEST_UEFI_H
#define PLUGFEST_UEFI_H

#include <stddef.h>
#include <stdint.h>

#include "arch.h"

typedef uint16_t CHAR16;
typedef uint8_t BOOLEAN;
typedef uintptr_t UINTN;
typedef UINTN EFI_STATUS;
typedef UINTN EFI_TPL;
typedef void *EFI_HANDLE;
typedef void *EFI_EVENT;

// Appendix D: an error has the highest bit set.
#define EFI_ERROR(status) ((intptr_t)(status) < 0)
#define ENCODE_ERROR(code) (((UINTN)1 << (sizeof(UINTN) * 8 - 1)) | (code))
#define EFI_SUCCESS 0
#define EFI_UNSUPPORTED ENCODE_ERROR(3)
#define EFI_NOT_READY ENCODE_ERROR(6)
#define EFI_NOT_FOUND ENCODE_ERROR(14)
#define EFI_TIMEOUT ENCODE_ERROR(18)

typedef struct {
    uint32_t Data1;
    uint16_t Data2, Data3;
    uint8_t Data4[8];
} EFI_GUID;

// §9.1
#define EFI_LOADED_IMAGE_PROTOCOL_GUID \
    {0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
// §10.2
#define EFI_DEVICE_PATH_PROTOCOL_GUID \
    {0x09576e91, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
// §24.1
#define EFI_SIMPLE_NETWORK_PROTOCOL_GUID \
    {0xa19832b9, 0xac25, 0x11d3, {0x9a, 0x2d, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}}

// §10.2: header of every device path node.
typedef struct {
    uint8_t Type, SubType;
    uint8_t Length[2]; // little-endian, includes this header; not aligned
} EFI_DEVICE_PATH_PROTOCOL;
#define END_DEVICE_PATH_TYPE 0x7f
#define END_ENTIRE_DEVICE_PATH_SUBTYPE 0xff

// §4.2
typedef struct {
    uint64_t Signature;
    uint32_t Revision, HeaderSize, CRC32, Reserved;
} EFI_TABLE_HEADER;

// §12.4
typedef struct EFI_SIMPLE_TEXT_OUTPUT_PROTOCOL {
    void *Reset;
    EFI_STATUS(EFIAPI *OutputString)(struct EFI_SIMPLE_TEXT_OUTPUT_PROTOCOL *, const CHAR16 *);
} EFI_SIMPLE_TEXT_OUTPUT_PROTOCOL;

// §7.1
#define EVT_TIMER 0x80000000u
#define TPL_CALLBACK 8
typedef enum { TimerCancel, TimerPeriodic, TimerRelative } EFI_TIMER_DELAY;
// §7.3
typedef enum { AllHandles, ByRegisterNotify, ByProtocol } EFI_LOCATE_SEARCH_TYPE;

// §4.4
typedef struct {
    EFI_TABLE_HEADER Hdr;
    EFI_TPL(EFIAPI *RaiseTPL)(EFI_TPL);
    void(EFIAPI *RestoreTPL)(EFI_TPL);
    void *AllocatePages, *FreePages, *GetMemoryMap, *AllocatePool;
    EFI_STATUS(EFIAPI *FreePool)(void *);
    EFI_STATUS(EFIAPI *CreateEvent)(uint32_t, EFI_TPL, void *, void *, EFI_EVENT *);
    EFI_STATUS(EFIAPI *SetTimer)(EFI_EVENT, EFI_TIMER_DELAY, uint64_t);
    EFI_STATUS(EFIAPI *WaitForEvent)(UINTN, EFI_EVENT *, UINTN *);
    void *SignalEvent;
    EFI_STATUS(EFIAPI *CloseEvent)(EFI_EVENT);
    void *CheckEvent;
    void *InstallProtocolInterface, *ReinstallProtocolInterface, *UninstallProtocolInterface;
    EFI_STATUS(EFIAPI *HandleProtocol)(EFI_HANDLE, const EFI_GUID *, void **);
    void *Reserved, *RegisterProtocolNotify, *LocateHandle;
    EFI_STATUS(EFIAPI *LocateDevicePath)(const EFI_GUID *, const EFI_DEVICE_PATH_PROTOCOL **, EFI_HANDLE *);
    void *InstallConfigurationTable;
    void *LoadImage, *StartImage, *Exit, *UnloadImage, *ExitBootServices;
    void *GetNextMonotonicCount;
    EFI_STATUS(EFIAPI *Stall)(UINTN);
    EFI_STATUS(EFIAPI *SetWatchdogTimer)(UINTN, uint64_t, UINTN, const CHAR16 *);
    EFI_STATUS(EFIAPI *ConnectController)(EFI_HANDLE, EFI_HANDLE *, const EFI_DEVICE_PATH_PROTOCOL *, BOOLEAN);
    void *DisconnectController;
    void *OpenProtocol, *CloseProtocol, *OpenProtocolInformation;
    void *ProtocolsPerHandle;
    EFI_STATUS(EFIAPI *LocateHandleBuffer)(EFI_LOCATE_SEARCH_TYPE, const EFI_GUID *, void *, UINTN *, EFI_HANDLE **);
} EFI_BOOT_SERVICES;

// §4.3
typedef struct {
    EFI_TABLE_HEADER Hdr;
    CHAR16 *FirmwareVendor;
    uint32_t FirmwareRevision;
    EFI_HANDLE ConsoleInHandle;
    void *ConIn;
    EFI_HANDLE ConsoleOutHandle;
    EFI_SIMPLE_TEXT_OUTPUT_PROTOCOL *ConOut;
    EFI_HANDLE StandardErrorHandle;
    void *StdErr;
    void *RuntimeServices;
    EFI_BOOT_SERVICES *BootServices;
} EFI_SYSTEM_TABLE;

// §9.1
typedef struct {
    uint32_t Revision;
    EFI_HANDLE ParentHandle;
    EFI_SYSTEM_TABLE *SystemTable;
    EFI_HANDLE DeviceHandle;
    const EFI_DEVICE_PATH_PROTOCOL *FilePath;
    void *Reserved;
    uint32_t LoadOptionsSize;
    void *LoadOptions;
    void *ImageBase;
    uint64_t ImageSize;
} EFI_LOADED_IMAGE_PROTOCOL;

// §24.1
typedef struct {
    uint8_t Addr[32];
} EFI_MAC_ADDRESS;
typedef enum { EfiSimpleNetworkStopped, EfiSimpleNetworkStarted, EfiSimpleNetworkInitialized } EFI_SIMPLE_NETWORK_STATE;
typedef struct {
    uint32_t State, HwAddressSize, MediaHeaderSize, MaxPacketSize;
    uint32_t NvRamSize, NvRamAccessSize;
    uint32_t ReceiveFilterMask, ReceiveFilterSetting;
    uint32_t MaxMCastFilterCount, MCastFilterCount;
    EFI_MAC_ADDRESS MCastFilter[16];
    EFI_MAC_ADDRESS CurrentAddress, BroadcastAddress, PermanentAddress;
    uint8_t IfType;
    BOOLEAN MacAddressChangeable, MultipleTxSupported, MediaPresentSupported, MediaPresent;
} EFI_SIMPLE_NETWORK_MODE;
typedef struct EFI_SIMPLE_NETWORK_PROTOCOL {
    uint64_t Revision;
    EFI_STATUS(EFIAPI *Start)(struct EFI_SIMPLE_NETWORK_PROTOCOL *);
    void *Stop;
    EFI_STATUS(EFIAPI *Initialize)(struct EFI_SIMPLE_NETWORK_PROTOCOL *, UINTN, UINTN);
    void *Reset, *Shutdown, *ReceiveFilters, *StationAddress, *Statistics, *MCastIpToMac, *NvData;
    EFI_STATUS(EFIAPI *GetStatus)(struct EFI_SIMPLE_NETWORK_PROTOCOL *, uint32_t *, void **);
    EFI_STATUS(EFIAPI *Transmit)(struct EFI_SIMPLE_NETWORK_PROTOCOL *, UINTN, UINTN, void *, void *, void *, void *);
    void *Receive;
    EFI_EVENT WaitForPacket;
    EFI_SIMPLE_NETWORK_MODE *Mode;
} EFI_SIMPLE_NETWORK_PROTOCOL;

#endif
