//! One certificate: rcgen writes it, and what rcgen has no word for is put in before OpenSSL signs it.
//!
//! rcgen signs with few algorithms and writes no version 1, so the certificate that it makes is a draft. The fields
//! version, serial number, signature, subjectPublicKeyInfo and extensions of its TBSCertificate (RFC 5280 §4.1) are
//! exchanged where they have to be, and all else stays.

use super::{
    key::TestKey,
    plan::{self, Plan},
    signature,
};
use crate::{
    MintError,
    algorithm::{self, Scheme},
    settings::{KeyIdentifiers, Serial, Version},
};
use jiff::{Span, civil::DateTime};
use rcgen::{DistinguishedName, Issuer, KeyIdMethod, PKCS_ED25519, PublicKeyData, SerialNumber, SigningKey};
use sha2::{Digest, Sha256};
use std::{path::Path, time::Duration};
use yasna::ASN1Result;

/// Who signs, by the name that the certificate gives.
#[derive(Clone, Copy)]
pub(super) struct Signatory<'a> {
    pub(super) subject: &'a DistinguishedName,
    pub(super) key_identifier: &'a [u8],
    pub(super) key: &'a TestKey,
}

/// A certificate and what is needed to sign others with it.
pub(super) struct Certified {
    pub(super) plan: Plan,
    pub(super) key: TestKey,
    pub(super) key_identifier: Vec<u8>,
    /// Octets of its serial number, without the sign.
    pub(super) serial: Vec<u8>,
    pub(super) der: Vec<u8>,
}

impl Certified {
    pub(super) fn signatory(&self) -> Signatory<'_> {
        Signatory { subject: &self.plan.subject, key_identifier: &self.key_identifier, key: &self.key }
    }
}

/// The certificate that `plan` describes, valid relative to `date`, with the cached key for its role; self-signed
/// without an `issuer`.
pub(super) fn certify(
    directory: &Path,
    plan: Plan,
    issuer: Option<Signatory<'_>>,
    date: DateTime,
) -> Result<Certified, MintError> {
    let key = TestKey::get(directory, plan.key, &plan.role)?;
    let public = key.public()?;
    let mut certified = Certified {
        key_identifier: key_identifier(&public, &plan.id),
        serial: serial(&plan, issuer, &public),
        plan,
        key,
        der: Vec::new(),
    };
    let by = issuer.unwrap_or(certified.signatory());
    let draft = draft(&certified, issuer, &public, date)?;
    let scheme = algorithm::scheme(by.key.key, certified.plan.signature)
        .map_err(|problem| MintError::Unsignable { role: certified.plan.role.clone(), problem })?;
    let name = yasna::construct_der(|writer| scheme.write(writer));
    let body = exchanged(&draft, &certified.plan, &name, &public)?;
    certified.der = signed(directory, by.key, scheme, &body)?;
    Ok(certified)
}

/// `body` with its signature: a Certificate or a CertificateList (RFC 5280 §4.1 and §5.1).
pub(super) fn signed(
    directory: &Path,
    key: &TestKey,
    scheme: Scheme,
    body: &[u8],
) -> Result<Vec<u8>, MintError> {
    let signature = signature::get(directory, key, scheme, body)?;
    Ok(yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_der(body);
            scheme.write(writer.next());
            writer.next().write_bitvec_bytes(&signature, signature.len() * 8);
        });
    }))
}

/// Any unique value will do (RFC 5280 §4.2.1.2). It is not of the key alone: authorities share keys, and a client that
/// looks issuers up by it must not take one for another.
fn key_identifier(public: &[u8], id: &str) -> Vec<u8> {
    Sha256::new().chain_update(public).chain_update(id).finalize()[..20].to_vec()
}

/// rcgen's certificate.
fn draft(
    certified: &Certified,
    issuer: Option<Signatory<'_>>,
    public: &[u8],
    date: DateTime,
) -> Result<Vec<u8>, MintError> {
    let plan = &certified.plan;
    let mut params = plan.params();
    let time = |(year, month, day, time)| rcgen::date_time_ymd(year, month, day) + time;
    params.not_before = time(moment(&plan.role, date, plan.valid_from_days)?);
    params.not_after = time(moment(&plan.role, date, plan.valid_until_days)?);
    params.serial_number = Some(SerialNumber::from_slice(&certified.serial));
    let mut issuer_params = rcgen::CertificateParams::default();
    let by = issuer.unwrap_or(certified.signatory());
    issuer_params.distinguished_name = by.subject.clone();
    issuer_params.key_identifier_method = KeyIdMethod::PreSpecified(match plan.key_identifiers {
        KeyIdentifiers::WrongIssuer => key_identifier(public, "wrong"),
        _ => by.key_identifier.to_vec(),
    });
    params.use_authority_key_identifier_extension = match plan.key_identifiers {
        KeyIdentifiers::Right => issuer.is_some(),
        KeyIdentifiers::Absent => false,
        KeyIdentifiers::WrongIssuer => true,
    };
    if plan.key_identifiers != KeyIdentifiers::Absent {
        let content = yasna::construct_der(|writer| writer.write_bytes(&certified.key_identifier));
        params.custom_extensions.push(plan::extension(&[2, 5, 29, 14], false, content));
    }
    Ok(params.signed_by(&Blank, &Issuer::from_params(&issuer_params, Blank))?.der().to_vec())
}

/// `days` from `date`: year, month, day and time of day.
pub(super) fn moment(role: &str, date: DateTime, days: i32) -> Result<(i32, u8, u8, Duration), MintError> {
    let wrong = || MintError::Time { role: role.into(), days, date };
    let then = Span::new().try_days(days).and_then(|span| date.checked_add(span)).map_err(|_| wrong())?;
    // X.509 has years of four digits; before 1950 not even RFC 5280 knows how to write one (§4.1.2.5).
    if !(1950..=9999).contains(&then.year()) {
        return Err(wrong());
    }
    let (month, day) = (then.month().unsigned_abs(), then.day().unsigned_abs());
    let hours = u64::from(then.hour().unsigned_abs());
    let minutes = hours * 60 + u64::from(then.minute().unsigned_abs());
    let seconds = minutes * 60 + u64::from(then.second().unsigned_abs());
    Ok((i32::from(then.year()), month, day, Duration::from_secs(seconds)))
}

/// Octets of the serial number, from a digest of the certificate. Positive; the sign of a negative one is set later.
fn serial(plan: &Plan, issuer: Option<Signatory<'_>>, public: &[u8]) -> Vec<u8> {
    let issuer = issuer.map(|issuer| issuer.key_identifier.to_vec()).unwrap_or_default();
    let digest = Sha256::new().chain_update(&plan.id).chain_update(issuer).chain_update(public).finalize();
    let mut octets = match plan.serial {
        Serial::Ordinary | Serial::Negative => digest[..16].to_vec(),
        Serial::Zero => return vec![0],
        Serial::Longest => digest[..20].to_vec(),
        Serial::TooLong => digest[..24].to_vec(),
    };
    // Neither an octet more for the sign nor one less for leading zeros.
    octets[0] = octets[0] & 0x7f | 0x40;
    octets
}

/// The TBSCertificate of `draft`, with what rcgen could not write.
fn exchanged(draft: &[u8], plan: &Plan, algorithm: &[u8], public: &[u8]) -> Result<Vec<u8>, MintError> {
    let (fields, extensions) = yasna::parse_der(draft, |reader| {
        reader.read_sequence(|reader| {
            let tbs = reader.next().read_sequence(|reader| {
                let mut fields: [Vec<u8>; 7] = Default::default();
                for field in &mut fields {
                    *field = reader.next().read_der()?;
                }
                Ok((fields, reader.read_optional(|reader| reader.read_der())?))
            })?;
            reader.next().read_der()?;
            reader.next().read_der()?;
            Ok(tbs)
        })
    })?;
    let [version, serial, _, issuer, validity, subject, _] = &fields;
    let serial = match plan.serial {
        Serial::Negative => negated(serial)?,
        _ => serial.clone(),
    };
    let is_v3 = plan.version == Version::V3;
    Ok(yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            if is_v3 {
                writer.next().write_der(version);
            }
            for field in [serial.as_slice(), algorithm, issuer, validity, subject, public] {
                writer.next().write_der(field);
            }
            if let Some(extensions) = extensions.filter(|_| is_v3) {
                writer.next().write_der(&extensions);
            }
        });
    }))
}

fn negated(serial: &[u8]) -> ASN1Result<Vec<u8>> {
    let (octets, _) = yasna::parse_der(serial, |reader| reader.read_bigint_bytes())?;
    Ok(yasna::construct_der(|writer| writer.write_bigint_bytes(&octets, false)))
}

/// Stands where rcgen wants keys; its draft's public key and signature are exchanged.
pub(super) struct Blank;

impl PublicKeyData for Blank {
    fn der_bytes(&self) -> &[u8] {
        &[0]
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl SigningKey for Blank {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(vec![0])
    }
}
