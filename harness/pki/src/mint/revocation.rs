//! The revocation list of the leaf's issuer (RFC 5280 §5), made like a certificate: rcgen drafts it, OpenSSL signs it.

use super::certify::{Blank, Certified, moment, signed};
use crate::{MintError, algorithm};
use jiff::civil::DateTime;
use rcgen::{
    CertificateParams, CertificateRevocationListParams, Issuer, KeyIdMethod, RevocationReason,
    RevokedCertParams, SerialNumber,
};
use std::path::Path;

/// A list by `issuer`, a day old, that has `leaf` in it or nothing.
pub(super) fn list(
    directory: &Path,
    issuer: &Certified,
    leaf: &Certified,
    is_revoked: bool,
    date: DateTime,
) -> Result<Vec<u8>, MintError> {
    let time = |days| {
        let (year, month, day, time) = moment("revocation list of the", date, days)?;
        Ok::<_, MintError>(rcgen::date_time_ymd(year, month, day) + time)
    };
    let key_identifier_method = KeyIdMethod::PreSpecified(issuer.key_identifier.clone());
    let mut issuer_params = CertificateParams::default();
    issuer_params.distinguished_name = issuer.plan.subject.clone();
    let revoked = RevokedCertParams {
        serial_number: SerialNumber::from_slice(&leaf.serial),
        revocation_time: time(-1)?,
        reason_code: Some(RevocationReason::KeyCompromise),
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: time(-1)?,
        next_update: time(30)?,
        crl_number: SerialNumber::from_slice(&[1]),
        issuing_distribution_point: None,
        revoked_certs: is_revoked.then_some(revoked).into_iter().collect(),
        key_identifier_method,
    };
    let draft = params.signed_by(&Issuer::from_params(&issuer_params, Blank))?;
    let scheme = algorithm::scheme(issuer.key.key, leaf.plan.signature)
        .map_err(|problem| MintError::Unsignable { role: "revocation list of the leaf".into(), problem })?;
    // Version, signature, issuer and all that follows (§5.1.2).
    let fields = yasna::parse_der(draft.der(), |reader| {
        reader.read_sequence(|reader| {
            let fields = reader.next().read_sequence(|reader| {
                let mut fields = Vec::new();
                while let Some(field) = reader.read_optional(|reader| reader.read_der())? {
                    fields.push(field);
                }
                Ok(fields)
            })?;
            reader.next().read_der()?;
            reader.next().read_der()?;
            Ok(fields)
        })
    })?;
    let body = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            for (index, field) in fields.iter().enumerate() {
                match index {
                    1 => scheme.write(writer.next()),
                    _ => writer.next().write_der(field),
                }
            }
        });
    });
    signed(directory, &issuer.key, scheme, &body)
}
