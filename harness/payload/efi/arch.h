// Everything that depends on the processor. The rest of the payload is the same C for all of them.
//
// Adding one is: a block here, a line in `src/compile.rs` (how it is compiled) and one in `src/images.rs` (the result).
#ifndef PLUGFEST_ARCH_H
#define PLUGFEST_ARCH_H

// UEFI 2.11 §2.3: each architecture binds EFI's calls to one of its calling conventions.
#if defined(PLUGFEST_BIOS) || defined(PLUGFEST_LINUX)
#define EFIAPI
#define PE_MACHINE 0 // no COFF header
#elif defined(__x86_64__)
#define EFIAPI __attribute__((ms_abi)) // §2.3.4.2
#define PE_MACHINE 0x8664
#elif defined(__i386__)
#define EFIAPI __attribute__((cdecl)) // §2.3.2
#define PE_MACHINE 0x014c
#elif defined(__aarch64__)
#define EFIAPI // §2.3.6: the usual one
#define PE_MACHINE 0xaa64
#elif defined(__arm__)
#define EFIAPI // §2.3.5: the usual one
#define PE_MACHINE 0x01c2
#elif defined(__riscv) && __riscv_xlen == 64
#define EFIAPI // §2.3.7: the usual one
#define PE_MACHINE 0x5064
#define RELOCATED __attribute__((section(".relocated"))) // efi.ld writes the relocation
#elif defined(__loongarch_lp64)
#define EFIAPI // §2.3.8: the usual one
#define PE_MACHINE 0x6264
#define RELOCATED __attribute__((section(".relocated"))) // efi.ld writes the relocation
#else
#error "no UEFI binding for this architecture yet"
#endif

// An address in the data: the linker makes the relocation.
#ifndef RELOCATED
#define RELOCATED
#endif

#endif
