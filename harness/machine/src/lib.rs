//! One QEMU per cell: process, QMP, console, guest clock, Ethernet link
