//! A sans-IO HTTP boot client with switchable faults, for tests without QEMU
