//! Signatures in PE images as UEFI's Secure Boot wants them (UEFI 2.11 §32.2 and §32.5): Authenticode, as Microsoft's "Windows
//! Authenticode Portable Executable Signature Format" has it.

use crate::{
    Identity,
    algorithm::{Hash, Scheme, with_null, write_oid},
    edk2::{self, SignatureList, signature_lists},
};
use openssl::{
    error::ErrorStack,
    pkcs7::{Pkcs7, Pkcs7Flags},
    pkey::{Id, PKey},
    sign::Signer,
    stack::Stack,
    x509::{
        X509, X509PurposeId,
        store::{X509Store, X509StoreBuilder},
        verify::X509VerifyFlags,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use yasna::{ASN1Result, DERWriter, Tag, models::TaggedDerValue};

/// The hash function that a signature is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Digest {
    /// SHA-1.
    #[serde(rename = "sha-1")]
    Sha1,
    /// SHA-256.
    #[default]
    #[serde(rename = "sha-256")]
    Sha256,
    /// SHA-384.
    #[serde(rename = "sha-384")]
    Sha384,
    /// SHA-512.
    #[serde(rename = "sha-512")]
    Sha512,
}

/// Why an image is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// It is no PE image, or has no place for a signature.
    #[error("it is no PE image that a signature could be put into")]
    NotPe,
    /// The certificate cannot be quoted.
    #[error("failed to read the signer's certificate: {0}")]
    Certificate(#[from] yasna::ASN1Error),
    /// OpenSSL does not sign.
    #[error("OpenSSL failed: {0}")]
    OpenSsl(#[from] ErrorStack),
}

const SIGNED_DATA: &[u64] = &[1, 2, 840, 113549, 1, 7, 2];
const CONTENT_TYPE: &[u64] = &[1, 2, 840, 113549, 1, 9, 3];
const MESSAGE_DIGEST: &[u64] = &[1, 2, 840, 113549, 1, 9, 4];
const RSA_ENCRYPTION: &[u64] = &[1, 2, 840, 113549, 1, 1, 1];
const SPC_INDIRECT_DATA: &[u64] = &[1, 3, 6, 1, 4, 1, 311, 2, 1, 4];
const SPC_OPUS_INFO: &[u64] = &[1, 3, 6, 1, 4, 1, 311, 2, 1, 12];
const SPC_PE_IMAGE_DATA: &[u64] = &[1, 3, 6, 1, 4, 1, 311, 2, 1, 15];
/// WIN_CERTIFICATE: bytes of its header, and what it says of itself (revision 2.0, PKCS #7).
const WIN_CERTIFICATE: usize = 8;
const WIN_CERTIFICATE_KIND: [u8; 4] = [0x00, 0x02, 0x02, 0x00];
/// Certificates begin at a multiple of this.
const ALIGNMENT: usize = 8;

impl Digest {
    fn hash(self) -> Hash {
        match self {
            Self::Sha1 => Hash::Sha1,
            Self::Sha256 => Hash::Sha256,
            Self::Sha384 => Hash::Sha384,
            Self::Sha512 => Hash::Sha512,
        }
    }

    fn of(self, parts: &[&[u8]]) -> Result<Vec<u8>, ErrorStack> {
        let mut hasher = openssl::hash::Hasher::new(self.hash().digest())?;
        parts.iter().try_for_each(|part| hasher.update(part))?;
        Ok(hasher.finish()?.to_vec())
    }
}

/// Where in a PE image is what its digest leaves out.
struct Layout {
    checksum: usize,
    /// The Certificate Table's entry in the data directory.
    entry: usize,
    /// The certificates, if there are any; the end of the image otherwise.
    table: Range<usize>,
}

impl Layout {
    fn of(image: &[u8]) -> Option<Self> {
        image.starts_with(b"MZ").then_some(())?;
        let pe = dword(image, 0x3c)?;
        (image.get(pe..pe.checked_add(4)?)? == b"PE\0\0").then_some(())?;
        let optional = pe + 24;
        let directory = optional
            + match image.get(optional..optional + 2)? {
                [0x0b, 0x01] => 96,
                [0x0b, 0x02] => 112,
                _ => return None,
            };
        let entries = dword(image, directory - 4)?;
        let entry = directory + 4 * 8;
        let [at, size] = [dword(image, entry)?, dword(image, entry + 4)?];
        let table = if size == 0 { image.len()..image.len() } else { at..at.checked_add(size)? };
        let ends_the_file = table.end == image.len() && table.start >= entry + 8;
        (entries > 4 && ends_the_file).then_some(Self { checksum: optional + 64, entry, table })
    }
}

/// The digest of a PE image: of everything but its checksum and its signatures.
pub fn digest(image: &[u8], digest: Digest) -> Result<Vec<u8>, SignError> {
    let Layout { checksum, entry, table } = Layout::of(image).ok_or(SignError::NotPe)?;
    let parts = [&image[..checksum], &image[checksum + 4..entry], &image[entry + 8..table.start]];
    Ok(digest.of(&parts)?)
}

/// A copy of `image` with a signature by `signer`, behind those that it has.
pub fn sign(image: &[u8], signer: &Identity, digest: Digest) -> Result<Vec<u8>, SignError> {
    let Layout { entry, table, .. } = Layout::of(image).ok_or(SignError::NotPe)?;
    let mut signed = image.to_vec();
    signed.resize(signed.len().next_multiple_of(ALIGNMENT), 0);
    let start = if table.is_empty() { signed.len() } else { table.start };
    let der = signed_data(&self::digest(&signed, digest)?, signer, digest)?;
    let length = WIN_CERTIFICATE + der.len();
    signed.extend(number(length));
    signed.extend(WIN_CERTIFICATE_KIND);
    signed.extend(der);
    signed.resize(signed.len().next_multiple_of(ALIGNMENT), 0);
    let size = signed.len() - start;
    signed[entry..entry + 4].copy_from_slice(&number(start));
    signed[entry + 4..entry + 8].copy_from_slice(&number(size));
    Ok(signed)
}

/// Sizes within an image, which has less than 4 GiB.
fn number(size: usize) -> [u8; 4] {
    u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes()
}

/// ContentInfo with SignedData (PKCS #7) over SpcIndirectDataContent.
fn signed_data(image: &[u8], signer: &Identity, digest: Digest) -> Result<Vec<u8>, SignError> {
    let content = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_sequence(|writer| {
                write_oid(writer.next(), SPC_PE_IMAGE_DATA);
                writer.next().write_sequence(|writer| {
                    writer.next().write_bitvec_bytes(&[], 0);
                    let file = "<<<Obsolete>>>".encode_utf16().flat_map(u16::to_be_bytes).collect();
                    let text = TaggedDerValue::from_tag_and_bytes(Tag::context(0), file);
                    writer.next().write_tagged(Tag::context(0), |writer| {
                        writer.write_tagged(Tag::context(2), |writer| writer.write_tagged_der(&text));
                    });
                });
            });
            writer.next().write_sequence(|writer| {
                with_null(writer.next(), digest.hash().oid());
                writer.next().write_bytes(image);
            });
        });
    });
    // Tag and length are left out (PKCS #7 §9.3).
    let value = yasna::parse_der(&content, |reader| reader.read_tagged_der())?;
    let of_content = digest.of(&[value.value()])?;
    let attributes = |writer: DERWriter<'_>| {
        let attribute = |writer: DERWriter<'_>, kind: &[u64], value: &dyn Fn(DERWriter<'_>)| {
            writer.write_sequence(|writer| {
                write_oid(writer.next(), kind);
                writer.next().write_set(|writer| value(writer.next()));
            });
        };
        writer.write_set_of(|writer| {
            attribute(writer.next(), CONTENT_TYPE, &|writer| write_oid(writer, SPC_INDIRECT_DATA));
            attribute(writer.next(), MESSAGE_DIGEST, &|writer| writer.write_bytes(&of_content));
            attribute(writer.next(), SPC_OPUS_INFO, &|writer| writer.write_sequence(|_| {}));
        });
    };
    let key = PKey::private_key_from_pkcs8(&signer.key)?;
    let mut by = Signer::new(digest.hash().digest(), &key)?;
    by.update(&yasna::construct_der(attributes))?;
    let signature = by.sign_to_vec()?;
    let leaf = X509::from_der(signer.chain.first().map(Vec::as_slice).unwrap_or_default())?;
    let issuer = leaf.issuer_name().to_der()?;
    let serial = leaf.serial_number().to_bn()?.to_vec();
    Ok(yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            write_oid(writer.next(), SIGNED_DATA);
            writer.next().write_tagged(Tag::context(0), |writer| {
                writer.write_sequence(|writer| {
                    writer.next().write_u8(1);
                    writer.next().write_set(|writer| with_null(writer.next(), digest.hash().oid()));
                    writer.next().write_sequence(|writer| {
                        write_oid(writer.next(), SPC_INDIRECT_DATA);
                        writer.next().write_tagged(Tag::context(0), |writer| writer.write_der(&content));
                    });
                    writer.next().write_tagged_implicit(Tag::context(0), |writer| {
                        writer.write_set_of(|writer| {
                            signer.chain.iter().for_each(|certificate| writer.next().write_der(certificate));
                        });
                    });
                    writer.next().write_set(|writer| {
                        writer.next().write_sequence(|writer| {
                            writer.next().write_u8(1);
                            writer.next().write_sequence(|writer| {
                                writer.next().write_der(&issuer);
                                writer.next().write_bigint_bytes(&serial, true);
                            });
                            with_null(writer.next(), digest.hash().oid());
                            writer.next().write_tagged_implicit(Tag::context(0), attributes);
                            if key.id() == Id::EC {
                                Scheme::Ecdsa(digest.hash()).write(writer.next());
                            } else {
                                with_null(writer.next(), RSA_ENCRYPTION);
                            }
                            writer.next().write_bytes(&signature);
                        });
                    });
                });
            });
        });
    }))
}

/// What a firmware goes by: `db` and `dbx`, as EFI_SIGNATURE_LISTs (UEFI 2.11 §32.4.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Databases {
    /// What may be started.
    pub db: Vec<u8>,
    /// What must not be started, whatever `db` says.
    pub dbx: Vec<u8>,
}

impl Databases {
    /// Whether a firmware that keeps to UEFI 2.11 §32.5.3.3 starts `image`.
    pub fn allow(&self, image: &[u8]) -> bool {
        let (Ok(db), Ok(dbx), Some(layout)) =
            (signature_lists(&self.db), signature_lists(&self.dbx), Layout::of(image))
        else {
            return false;
        };
        let Ok(of_image) = digest(image, Digest::Sha256) else { return false };
        if lists(&dbx, edk2::SHA256).any(|known| known == of_image) {
            return false;
        }
        let signatures = certificates(&image[layout.table]);
        let of_image = || lists(&db, edk2::SHA256).any(|known| known == of_image);
        let is_forbidden = |der: &&[u8]| {
            let to_be_signed = tbs_digest(der).unwrap_or_default();
            lists(&dbx, edk2::X509).any(|known| known == *der)
                || lists(&dbx, edk2::X509_SHA256).any(|known| known.starts_with(&to_be_signed))
        };
        let mut allowed = false;
        for signature in signatures {
            let Ok((signed, certificates)) = read(signature) else { continue };
            if certificates.iter().map(Vec::as_slice).any(|der| is_forbidden(&der)) {
                return false;
            }
            allowed |= is_valid(signature, &signed, image, lists(&db, edk2::X509)).unwrap_or(false);
        }
        allowed || of_image()
    }
}

/// The SHA-256 digest of what the issuer of a certificate (DER) has signed: EFI_CERT_X509_SHA256's.
pub fn tbs_digest(certificate: &[u8]) -> Result<Vec<u8>, SignError> {
    let body = yasna::parse_der(certificate, |reader| {
        reader.read_sequence(|reader| {
            let body = reader.next().read_der()?;
            reader.next().read_der()?;
            reader.next().read_der()?;
            Ok(body)
        })
    })?;
    Ok(Digest::Sha256.of(&[&body])?)
}

fn lists(all: &[SignatureList], kind: [u8; 16]) -> impl Iterator<Item = &[u8]> {
    let of_kind = all.iter().filter(move |list| list.kind == kind);
    of_kind.flat_map(|list| list.signatures.iter().map(|(_, data)| data.as_slice()))
}

/// The signatures in a certificate table.
fn certificates(mut table: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some(length) = dword(table, 0) {
        let Some(certificate) = table.get(WIN_CERTIFICATE..length) else { break };
        if table[4..8] == WIN_CERTIFICATE_KIND {
            found.push(certificate);
        }
        table = table.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
    }
    found
}

/// What a signature says of the image's digest, and the content that it is over.
struct Signed {
    digest: Digest,
    image: Vec<u8>,
    content: Vec<u8>,
}

/// A signature's content, and the certificates in it.
fn read(der: &[u8]) -> ASN1Result<(Signed, Vec<Vec<u8>>)> {
    let invalid = || yasna::ASN1Error::new(yasna::ASN1ErrorKind::Invalid);
    let (content, certificates) = yasna::parse_der(der, |reader| {
        reader.read_sequence(|reader| {
            reader.next().read_oid()?;
            reader.next().read_tagged(Tag::context(0), |reader| {
                reader.read_sequence(|reader| {
                    reader.next().read_u8()?;
                    reader.next().read_der()?;
                    let content = reader.next().read_sequence(|reader| {
                        reader.next().read_oid()?;
                        reader.next().read_tagged(Tag::context(0), |reader| reader.read_der())
                    })?;
                    let certificates = reader.next().read_tagged_implicit(Tag::context(0), |reader| {
                        reader.collect_set_of(|reader| reader.read_der())
                    })?;
                    reader.next().read_der()?;
                    Ok((content, certificates))
                })
            })
        })
    })?;
    let (oid, image) = yasna::parse_der(&content, |reader| {
        reader.read_sequence(|reader| {
            reader.next().read_der()?;
            reader.next().read_sequence(|reader| {
                let oid = reader.next().read_sequence(|reader| {
                    let oid = reader.next().read_oid()?;
                    reader.next().read_null()?;
                    Ok(oid)
                })?;
                Ok((oid, reader.next().read_bytes()?))
            })
        })
    })?;
    let known = [Digest::Sha1, Digest::Sha256, Digest::Sha384, Digest::Sha512];
    let digest = known.into_iter().find(|digest| digest.hash().oid() == oid.components().as_slice());
    let content = yasna::parse_der(&content, |reader| reader.read_tagged_der())?.value().to_vec();
    Ok((Signed { digest: digest.ok_or_else(invalid)?, image, content }, certificates))
}

/// Whether a signature is one of `image` by somebody for whom one of the `anchors` vouches. Validity in time is not asked for.
fn is_valid<'a>(
    der: &[u8],
    signed: &Signed,
    image: &[u8],
    anchors: impl Iterator<Item = &'a [u8]>,
) -> Result<bool, ErrorStack> {
    if digest(image, signed.digest).ok().as_ref() != Some(&signed.image) {
        return Ok(false);
    }
    let mut store = X509StoreBuilder::new()?;
    store.set_flags(X509VerifyFlags::PARTIAL_CHAIN | X509VerifyFlags::NO_CHECK_TIME)?;
    store.set_purpose(X509PurposeId::ANY)?;
    for anchor in anchors {
        store.add_cert(X509::from_der(anchor)?)?;
    }
    let store: X509Store = store.build();
    let others = Stack::new()?;
    let verified =
        Pkcs7::from_der(der)?.verify(&others, &store, Some(&signed.content), None, Pkcs7Flags::BINARY);
    Ok(verified.is_ok())
}

fn dword(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(four)).ok()
}
