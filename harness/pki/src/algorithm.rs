//! Which scheme a key signs with, and how a certificate names it (RFC 4055, RFC 5758, RFC 8410).

use crate::settings::{Key, Signature};
use openssl::{hash::MessageDigest, nid::Nid};
use yasna::{DERWriter, Tag, models::ObjectIdentifier};

/// Kind and size of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// RSA with so many bits.
    Rsa(u32),
    /// RSA with so many bits, for PSS only.
    RsaPss(u32),
    /// A named curve.
    Ec(Nid),
    Ed25519,
    Ed448,
}

impl Key {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Rsa1024 => Kind::Rsa(1024),
            Self::Rsa2048 => Kind::Rsa(2048),
            Self::Rsa3072 => Kind::Rsa(3072),
            Self::Rsa4096 => Kind::Rsa(4096),
            Self::Rsa8192 => Kind::Rsa(8192),
            Self::RsaPss2048 => Kind::RsaPss(2048),
            Self::RsaPss3072 => Kind::RsaPss(3072),
            Self::RsaPss4096 => Kind::RsaPss(4096),
            Self::P192 => Kind::Ec(Nid::X9_62_PRIME192V1),
            Self::P224 => Kind::Ec(Nid::SECP224R1),
            Self::P256 => Kind::Ec(Nid::X9_62_PRIME256V1),
            Self::P384 => Kind::Ec(Nid::SECP384R1),
            Self::P521 => Kind::Ec(Nid::SECP521R1),
            Self::Secp256k1 => Kind::Ec(Nid::SECP256K1),
            Self::Ed25519 => Kind::Ed25519,
            Self::Ed448 => Kind::Ed448,
        }
    }
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(crate) fn digest(self) -> MessageDigest {
        match self {
            Self::Md5 => MessageDigest::md5(),
            Self::Sha1 => MessageDigest::sha1(),
            Self::Sha224 => MessageDigest::sha224(),
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha384 => MessageDigest::sha384(),
            Self::Sha512 => MessageDigest::sha512(),
        }
    }

    /// Octets of its output.
    fn size(self) -> u32 {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    pub(crate) fn oid(self) -> &'static [u64] {
        match self {
            Self::Md5 => &[1, 2, 840, 113549, 2, 5],
            Self::Sha1 => &[1, 3, 14, 3, 2, 26],
            Self::Sha224 => &[2, 16, 840, 1, 101, 3, 4, 2, 4],
            Self::Sha256 => &[2, 16, 840, 1, 101, 3, 4, 2, 1],
            Self::Sha384 => &[2, 16, 840, 1, 101, 3, 4, 2, 2],
            Self::Sha512 => &[2, 16, 840, 1, 101, 3, 4, 2, 3],
        }
    }
}

/// A signature scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// RSASSA-PKCS1-v1_5.
    Pkcs1(Hash),
    /// RSASSA-PSS, with MGF1 over the same hash and a salt as long as the hash.
    Pss(Hash),
    Ecdsa(Hash),
    Ed25519,
    Ed448,
}

/// The scheme that a key signs with; the error says why it cannot.
pub(crate) fn scheme(signer: Key, signature: Signature) -> Result<Scheme, String> {
    let (hash, asks_for_pss) = match signature {
        Signature::Md5 => (Hash::Md5, false),
        Signature::Sha1 => (Hash::Sha1, false),
        Signature::Sha224 => (Hash::Sha224, false),
        Signature::Sha256 => (Hash::Sha256, false),
        Signature::Sha384 => (Hash::Sha384, false),
        Signature::Sha512 => (Hash::Sha512, false),
        Signature::PssSha1 => (Hash::Sha1, true),
        Signature::PssSha256 => (Hash::Sha256, true),
        Signature::PssSha384 => (Hash::Sha384, true),
        Signature::PssSha512 => (Hash::Sha512, true),
    };
    match signer.kind() {
        Kind::Rsa(_) if !asks_for_pss => Ok(Scheme::Pkcs1(hash)),
        Kind::RsaPss(_) if hash == Hash::Md5 => {
            Err("PSS with MD5 has no use; expected a hash of the SHA family".into())
        }
        // Hash, salt and two octets have to fit into the modulus (RFC 8017 §9.1.1).
        Kind::Rsa(bits) | Kind::RsaPss(bits) if bits.div_ceil(8) < 2 * hash.size() + 2 => {
            Err(format!("the signer's {bits}-bit key is too small for PSS with a {}-octet hash", hash.size()))
        }
        Kind::Rsa(_) | Kind::RsaPss(_) => Ok(Scheme::Pss(hash)),
        _ if asks_for_pss => Err("only RSA keys sign with PSS, and the signer's is none".into()),
        Kind::Ec(_) if hash == Hash::Md5 => {
            Err("there is no ECDSA with MD5; expected a hash of the SHA family".into())
        }
        Kind::Ec(_) => Ok(Scheme::Ecdsa(hash)),
        _ if signature != Signature::Sha256 => {
            Err("Ed25519 and Ed448 sign with their own hash; expected sha-256, which stands for it".into())
        }
        Kind::Ed25519 => Ok(Scheme::Ed25519),
        Kind::Ed448 => Ok(Scheme::Ed448),
    }
}

impl Scheme {
    /// Writes the AlgorithmIdentifier (RFC 5280 §4.1.1.2).
    pub(crate) fn write(self, writer: DERWriter<'_>) {
        match self {
            Self::Pkcs1(hash) => with_null(writer, pkcs1_oid(hash)),
            Self::Pss(hash) => writer.write_sequence(|writer| {
                write_oid(writer.next(), &[1, 2, 840, 113549, 1, 1, 10]);
                write_pss_parameters(writer.next(), hash);
            }),
            Self::Ecdsa(hash) => without_parameters(writer, ecdsa_oid(hash)),
            Self::Ed25519 => without_parameters(writer, &[1, 3, 101, 112]),
            Self::Ed448 => without_parameters(writer, &[1, 3, 101, 113]),
        }
    }
}

fn pkcs1_oid(hash: Hash) -> &'static [u64] {
    match hash {
        Hash::Md5 => &[1, 2, 840, 113549, 1, 1, 4],
        Hash::Sha1 => &[1, 2, 840, 113549, 1, 1, 5],
        Hash::Sha224 => &[1, 2, 840, 113549, 1, 1, 14],
        Hash::Sha256 => &[1, 2, 840, 113549, 1, 1, 11],
        Hash::Sha384 => &[1, 2, 840, 113549, 1, 1, 12],
        Hash::Sha512 => &[1, 2, 840, 113549, 1, 1, 13],
    }
}

/// [`scheme`] lets no MD5 through to here.
fn ecdsa_oid(hash: Hash) -> &'static [u64] {
    match hash {
        Hash::Md5 | Hash::Sha1 => &[1, 2, 840, 10045, 4, 1],
        Hash::Sha224 => &[1, 2, 840, 10045, 4, 3, 1],
        Hash::Sha256 => &[1, 2, 840, 10045, 4, 3, 2],
        Hash::Sha384 => &[1, 2, 840, 10045, 4, 3, 3],
        Hash::Sha512 => &[1, 2, 840, 10045, 4, 3, 4],
    }
}

/// RSASSA-PSS-params (RFC 4055 §3.1). DER leaves out what is the default: SHA-1, MGF1 with SHA-1, 20 octets of salt.
fn write_pss_parameters(writer: DERWriter<'_>, hash: Hash) {
    writer.write_sequence(|writer| {
        if hash == Hash::Sha1 {
            return;
        }
        writer.next().write_tagged(Tag::context(0), |writer| with_null(writer, hash.oid()));
        writer.next().write_tagged(Tag::context(1), |writer| {
            writer.write_sequence(|writer| {
                write_oid(writer.next(), &[1, 2, 840, 113549, 1, 1, 8]);
                with_null(writer.next(), hash.oid());
            });
        });
        writer.next().write_tagged(Tag::context(2), |writer| writer.write_u32(hash.size()));
    });
}

pub(crate) fn with_null(writer: DERWriter<'_>, oid: &[u64]) {
    writer.write_sequence(|writer| {
        write_oid(writer.next(), oid);
        writer.next().write_null();
    });
}

fn without_parameters(writer: DERWriter<'_>, oid: &[u64]) {
    writer.write_sequence(|writer| write_oid(writer.next(), oid));
}

pub(crate) fn write_oid(writer: DERWriter<'_>, oid: &[u64]) {
    writer.write_oid(&ObjectIdentifier::from_slice(oid));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_follows_from_the_key() {
        use Signature::*;
        for (key, signature, expected) in [
            (Key::Rsa1024, Md5, Ok(Scheme::Pkcs1(Hash::Md5))),
            (Key::Rsa8192, PssSha1, Ok(Scheme::Pss(Hash::Sha1))),
            (Key::RsaPss2048, Sha224, Ok(Scheme::Pss(Hash::Sha224))),
            (Key::RsaPss2048, PssSha512, Ok(Scheme::Pss(Hash::Sha512))),
            (Key::Rsa1024, PssSha384, Ok(Scheme::Pss(Hash::Sha384))),
            (Key::Rsa1024, PssSha512, Err("too small")),
            (Key::RsaPss3072, Md5, Err("MD5")),
            (Key::P521, Sha1, Ok(Scheme::Ecdsa(Hash::Sha1))),
            (Key::P256, Md5, Err("MD5")),
            (Key::P256, PssSha256, Err("only RSA keys")),
            (Key::Ed25519, Sha256, Ok(Scheme::Ed25519)),
            (Key::Ed448, Sha512, Err("their own hash")),
        ] {
            match (scheme(key, signature), expected) {
                (Err(problem), Err(part)) => {
                    assert!(problem.contains(part), "{key:?} {signature:?}: {problem}")
                }
                (found, expected) => {
                    assert_eq!(found, expected.map_err(str::to_owned), "{key:?} {signature:?}")
                }
            }
        }
    }
}
