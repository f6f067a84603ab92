// Sending the announcement through EFI_SIMPLE_NETWORK_PROTOCOL (UEFI 2.11 §24.1).
#ifndef PLUGFEST_TRANSMIT_H
#define PLUGFEST_TRANSMIT_H

#include "uefi.h"

// Sends the announcement on the interface that the image was loaded through; if there is none or it does not take it,
// on all interfaces, whose drivers it starts if need be. Succeeds if any interface reports the frame as sent.
EFI_STATUS announce(EFI_BOOT_SERVICES *boot, const EFI_LOADED_IMAGE_PROTOCOL *image, uint64_t content);

#endif
