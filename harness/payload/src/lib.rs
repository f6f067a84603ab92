//! The EFI application that proves a boot, and the proof it sends
