#include "transmit.h"

#include "announcement.h"

#define ETHERNET_HEADER_SIZE 14
#define POLL_MICROSECONDS 100
#define POLLS 2000 // 0.2 s

static const EFI_GUID simple_network_guid = EFI_SIMPLE_NETWORK_PROTOCOL_GUID;
static const EFI_GUID device_path_guid = EFI_DEVICE_PATH_PROTOCOL_GUID;

// Static, because a driver may still own it after our last look. EDK2's MNP may be handed it back instead of us, and
// looks at the byte before it for whether the buffer is its own and in use: a zero there makes it leave ours alone.
static struct {
    uint8_t not_in_use[64];
    uint8_t frame[FRAME_MAX];
} buffer;

// After a network boot the interface may be initialised and in use by the firmware, or stopped again.
static EFI_STATUS bring_up(EFI_SIMPLE_NETWORK_PROTOCOL *network) {
    if (network->Mode->State == EfiSimpleNetworkStopped) {
        EFI_STATUS status = network->Start(network);
        if (EFI_ERROR(status)) return status;
    }
    if (network->Mode->State == EfiSimpleNetworkStarted) return network->Initialize(network, 0, 0);
    return EFI_SUCCESS;
}

// Called at TPL_CALLBACK, so that the firmware's own network stack does not collect our buffer.
static EFI_STATUS transmit(EFI_BOOT_SERVICES *boot, EFI_SIMPLE_NETWORK_PROTOCOL *network, size_t length) {
    EFI_STATUS status = EFI_NOT_READY;
    for (unsigned poll = 0; poll < POLLS; poll++) {
        // Header size 0: the frame already has its header.
        if (status == EFI_NOT_READY) status = network->Transmit(network, 0, length, buffer.frame, NULL, NULL, NULL);
        if (EFI_ERROR(status) && status != EFI_NOT_READY) return status;
        void *sent = NULL;
        // Somebody else's buffer may come first. It cannot be put back; MNP allocates another when it runs short.
        EFI_STATUS asked = network->GetStatus(network, NULL, &sent);
        if (!EFI_ERROR(status) && !EFI_ERROR(asked) && sent == buffer.frame) return EFI_SUCCESS;
        if (sent == NULL) boot->Stall(POLL_MICROSECONDS);
    }
    return EFI_ERROR(status) ? status : EFI_TIMEOUT;
}

static const EFI_DEVICE_PATH_PROTOCOL *device_path(EFI_BOOT_SERVICES *boot, EFI_HANDLE handle) {
    void *path = NULL;
    if (handle == NULL || EFI_ERROR(boot->HandleProtocol(handle, &device_path_guid, &path))) return NULL;
    return path;
}

static EFI_STATUS announce_on(EFI_BOOT_SERVICES *boot, EFI_HANDLE handle, const EFI_LOADED_IMAGE_PROTOCOL *image,
                              uint64_t content) {
    void *protocol = NULL;
    EFI_STATUS status = boot->HandleProtocol(handle, &simple_network_guid, &protocol);
    if (EFI_ERROR(status)) return status;
    EFI_SIMPLE_NETWORK_PROTOCOL *network = protocol;
    if (network->Mode->HwAddressSize != MAC_SIZE || network->Mode->MediaHeaderSize != ETHERNET_HEADER_SIZE)
        return EFI_UNSUPPORTED;

    EFI_TPL tpl = boot->RaiseTPL(TPL_CALLBACK);
    status = bring_up(network);
    if (!EFI_ERROR(status)) {
        const struct loaded loaded = {device_path(boot, image->DeviceHandle), image->FilePath, image->LoadOptions,
                                      image->LoadOptionsSize};
        size_t length = write_announcement(buffer.frame, network->Mode->CurrentAddress.Addr, content, &loaded);
        status = transmit(boot, network, length);
    }
    boot->RestoreTPL(tpl);
    return status;
}

static EFI_STATUS announce_everywhere(EFI_BOOT_SERVICES *boot, const EFI_LOADED_IMAGE_PROTOCOL *image,
                                      uint64_t content) {
    UINTN count = 0;
    EFI_HANDLE *handles = NULL;
    EFI_STATUS status = boot->LocateHandleBuffer(ByProtocol, &simple_network_guid, NULL, &count, &handles);
    if (EFI_ERROR(status)) return status;
    EFI_STATUS best = EFI_NOT_FOUND;
    for (UINTN i = 0; i < count; i++) {
        status = announce_on(boot, handles[i], image, content);
        if (EFI_ERROR(best)) best = status;
    }
    boot->FreePool(handles);
    return best;
}

static void connect_all(EFI_BOOT_SERVICES *boot) {
    UINTN count = 0;
    EFI_HANDLE *handles = NULL;
    if (EFI_ERROR(boot->LocateHandleBuffer(AllHandles, NULL, NULL, &count, &handles))) return;
    for (UINTN i = 0; i < count; i++) boot->ConnectController(handles[i], NULL, NULL, 1);
    boot->FreePool(handles);
}

EFI_STATUS announce(EFI_BOOT_SERVICES *boot, const EFI_LOADED_IMAGE_PROTOCOL *image, uint64_t content) {
    const EFI_DEVICE_PATH_PROTOCOL *path = device_path(boot, image->DeviceHandle);
    EFI_HANDLE loaded_through = NULL;
    // Finds the handle whose path is the longest beginning of `path`: the interface below IPv4, IPv6 and URI nodes.
    if (path != NULL && !EFI_ERROR(boot->LocateDevicePath(&simple_network_guid, &path, &loaded_through))) {
        EFI_STATUS status = announce_on(boot, loaded_through, image, content);
        if (!EFI_ERROR(status)) return status;
    }

    if (!EFI_ERROR(announce_everywhere(boot, image, content))) return EFI_SUCCESS;
    // Booted from something else than the network: then EDK2 has not started the network drivers.
    connect_all(boot);
    return announce_everywhere(boot, image, content);
}
