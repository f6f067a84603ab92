// The boot image that plugfest serves: says on the console and on the wire that it runs, then waits to be switched off.

#include "announcement.h"
#include "transmit.h"

static const EFI_GUID loaded_image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;

static EFI_SIMPLE_TEXT_OUTPUT_PROTOCOL *console; // NULL on a machine without one

static void print(const CHAR16 *text) {
    if (console) console->OutputString(console, text);
}

static void print_hex(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        CHAR16 text[3] = {u"0123456789abcdef"[bytes[i] >> 4], u"0123456789abcdef"[bytes[i] & 15], 0};
        print(text);
    }
}

static void print_status(EFI_STATUS status) {
    uint8_t bytes[sizeof status];
    for (size_t i = 0; i < sizeof status; i++) bytes[i] = (uint8_t)(status >> (8 * (sizeof status - 1 - i)));
    print_hex(bytes, sizeof status);
}

// Silence would be taken for the end.
static void print_progress(void) {
    print(u"plugfest: looking at the content\r\n");
}

// At TPL_APPLICATION, so that the firmware's own timers go on as they would under any boot loader.
static void wait(EFI_BOOT_SERVICES *boot, unsigned seconds) {
    EFI_EVENT timer;
    UINTN index;
    if (EFI_ERROR(boot->CreateEvent(EVT_TIMER, 0, NULL, NULL, &timer))) {
        boot->Stall((UINTN)seconds * 1000000);
        return;
    }
    // Unlike Stall, lets the processor sleep. The unit is 100 ns.
    if (EFI_ERROR(boot->SetTimer(timer, TimerRelative, (uint64_t)seconds * 10000000)) ||
        EFI_ERROR(boot->WaitForEvent(1, &timer, &index)))
        boot->Stall((UINTN)seconds * 1000000);
    boot->CloseEvent(timer);
}

EFI_STATUS EFIAPI efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system) {
    EFI_BOOT_SERVICES *boot = system->BootServices;
    uint8_t nonce[NONCE_SIZE];
    void *image = NULL;

    // Else the firmware resets the machine five minutes after it started us (§7.5.1).
    boot->SetWatchdogTimer(0, 0, 0, NULL);

    console = system->ConOut;
    read_nonce(nonce);
    print(u"\r\nplugfest: payload running, nonce ");
    print_hex(nonce, sizeof nonce);
    print(u"\r\n");

    EFI_STATUS status = boot->HandleProtocol(handle, &loaded_image_guid, &image);
    uint64_t content = 0;
    if (!EFI_ERROR(status)) {
        content = digest_content(((EFI_LOADED_IMAGE_PROTOCOL *)image)->ImageBase, print_progress);
        status = announce(boot, image, content);
    }
    if (EFI_ERROR(status)) {
        print(u"plugfest: no proof sent, status ");
        print_status(status);
        print(u"\r\n");
    }

    // A frame that left may still be lost, for example while a link that Initialize took down trains again. The harness
    // ends the machine at the first proof, so under it these are never or hardly seen.
    for (unsigned seconds = 1; seconds <= 16; seconds *= 2) {
        wait(boot, seconds);
        if (image) announce(boot, image, content);
    }

    // Returning would let the boot manager go on to other options and their traffic.
    for (;;) wait(boot, 60);
}
