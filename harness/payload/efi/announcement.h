// The Ethernet frame that proves the boot. Its layout is described, and read, in `src/announcement.rs`.
#ifndef PLUGFEST_ANNOUNCEMENT_H
#define PLUGFEST_ANNOUNCEMENT_H

#include "uefi.h"

#define NONCE_SIZE 16
#define MAC_SIZE 6
#define FRAME_MAX 1514 // a full Ethernet frame without FCS

// This cell's nonce, as the harness wrote it into the image that it serves.
void read_nonce(uint8_t nonce[NONCE_SIZE]);

// The digest of what the harness has put behind the image proper, as it was loaded; 0 if there is nothing. Calls `progress`
// now and then.
uint64_t digest_content(const uint8_t *image_base, void (*progress)(void));

// How the image was loaded, as EFI_LOADED_IMAGE_PROTOCOL says it. Any pointer may be NULL; no path is trusted to end.
struct loaded {
    const EFI_DEVICE_PATH_PROTOCOL *device, *file;
    const uint8_t *options;
    uint32_t options_size;
};

// Writes the frame and returns its length. `loaded` may be NULL.
size_t write_announcement(uint8_t frame[FRAME_MAX], const uint8_t source[MAC_SIZE], uint64_t content,
                          const struct loaded *loaded);

#endif
