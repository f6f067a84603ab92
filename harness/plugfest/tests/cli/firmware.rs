//! Firmware of a few bytes: enough to be started by QEMU and to be told from no firmware.

/// A 64 KiB flash image of 16-bit code behind the signature of a firmware volume. It starts where the processor does,
/// 16 bytes before its end, and first writes `text` to the serial port.
fn image(text: impl AsRef<[u8]>, end: &[u8]) -> Vec<u8> {
    const SIZE: usize = 64 << 10;
    /// Where the code is; the signature is before it.
    const CODE: usize = 0x100;
    let mut bytes = vec![0xff; CODE];
    bytes[40..44].copy_from_slice(b"_FVH");
    bytes.extend([0xba, 0xf8, 0x03]); // mov dx, 0x3f8
    for byte in text.as_ref() {
        bytes.extend([0xb0, *byte, 0xee]); // mov al, byte; out dx, al
    }
    bytes.extend(end);
    bytes.resize(SIZE - 16, 0xff);
    bytes.extend([0xe9, 0x0d, 0x01]); // jmp from 0xfff3 round to 0x100
    bytes.resize(SIZE, 0xff);
    bytes
}

/// Says at once that there is nothing to boot, and stops.
pub fn nothing_to_boot() -> Vec<u8> {
    let halt = [0xfa, 0xf4, 0xeb, 0xfd]; // cli; hlt; jmp to hlt
    image("BdsDxe: No bootable option or device was found.\r\n", &halt)
}

/// Says something now and then for ever, so that its cell goes on for long.
pub fn busy() -> Vec<u8> {
    image("busy\r\n", &[0xeb, 0xfe]) // jmp $
}

/// Says things that are markup, control sequences, workflow commands or no text at all, then that there is nothing to boot.
pub fn hostile() -> Vec<u8> {
    let mut text =
        b"<script>alert(1)</script><img src=x onerror=alert(2)>\r\n::error title=pwned::pwned\r\n".to_vec();
    text.extend(b"\x1b[31mred\x1b]0;title\x07 \xff\xfe\xc3\x28 ]]> | `x` [l](javascript:1) \xe2\x80\xae\r\n# TODO\r\n");
    text.extend(b"x".repeat(9_000));
    text.extend(b"\r\nBdsDxe: No bootable option or device was found.\r\n");
    image(text, &[0xfa, 0xf4, 0xeb, 0xfd])
}
