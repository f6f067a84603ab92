//! What a certificate says: from settings to rcgen's parameters, and what rcgen has no word for.

use crate::algorithm::Kind;
use crate::{
    MintError,
    algorithm::write_oid,
    settings::{
        Authority, AuthorityKeyUsage, BasicConstraints, ExtendedKeyUsage, Key, KeyIdentifiers, Leaf,
        LeafKeyUsage, NameConstraints, Serial, SettingsError, Signature, UnknownExtension, Version, name,
    },
};
use rcgen::{
    CertificateParams, CidrSubnet, CrlDistributionPoint, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, KeyUsagePurpose, SanType,
};
use sha2::{Digest, Sha256};
use std::net::{Ipv4Addr, Ipv6Addr};
use yasna::Tag;

/// Organisation in the subject of every certificate.
pub(super) const ORGANISATION: &str = "plugfest test certificates";

/// Under 1.3.6.1.4.1.32473, which is for examples (RFC 5612).
const UNKNOWN: &[u64] = &[1, 3, 6, 1, 4, 1, 32473, 1];
const PADDING: &[u64] = &[1, 3, 6, 1, 4, 1, 32473, 2];

/// A certificate that is still to be signed.
#[derive(Clone)]
pub(super) struct Plan {
    /// Digest of everything that it says, and of what its issuers say.
    pub(super) id: String,
    pub(super) subject: DistinguishedName,
    /// Its role in the chain, which decides which test key it has.
    pub(super) role: String,
    pub(super) key: Key,
    pub(super) signature: Signature,
    pub(super) valid_from_days: i32,
    pub(super) valid_until_days: i32,
    pub(super) key_identifiers: KeyIdentifiers,
    pub(super) serial: Serial,
    pub(super) version: Version,
    names: Vec<SanType>,
    key_usages: Vec<KeyUsagePurpose>,
    extended_key_usages: Vec<ExtendedKeyUsagePurpose>,
    name_constraints: Option<rcgen::NameConstraints>,
    crl_url: Option<String>,
    custom: Vec<CustomExtension>,
}

/// The names that name constraints are about.
pub(super) struct LeafNames {
    names: Vec<SanType>,
    common_name: Option<String>,
}

impl LeafNames {
    pub(super) fn new(leaf: &Leaf) -> Result<Self, MintError> {
        let parse = |(index, text): (usize, &String)| {
            let path = format!("leaf.names[{index}]");
            name::parse(text).map_err(|problem| SettingsError { path, problem })
        };
        let names = leaf.names.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { names, common_name: leaf.common_name.clone() })
    }
}

/// Digest of `parts`, in hexadecimal.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Plan {
    /// An authority called `title`. `context` tells apart what these settings do not.
    pub(super) fn authority(
        title: &str,
        role: impl Into<String>,
        settings: &Authority,
        context: &str,
        leaf: &LeafNames,
    ) -> Result<Self, MintError> {
        let role = role.into();
        let constraints = name_constraints(settings.name_constraints, leaf);
        let about = format!("{constraints:?}");
        let id = digest(&[title, &role, context, &serde_json::to_string(settings)?, &about]);
        // Two authorities that differ in anything must never be taken for each other in one bundle.
        let subject = subject(None, Some(&format!("{title} {}", &id[..12])));
        let mut custom = vec![];
        custom.extend(basic_constraints(settings.basic_constraints, settings.path_length));
        custom.extend(unknown(settings.unknown_extension));
        custom.extend(padding(settings.padding_bytes));
        Ok(Self {
            id,
            subject,
            role,
            key: settings.key,
            signature: settings.signature,
            valid_from_days: settings.valid_from_days,
            valid_until_days: settings.valid_until_days,
            key_identifiers: settings.key_identifiers,
            serial: settings.serial,
            version: settings.version,
            names: Vec::new(),
            key_usages: match settings.key_usage {
                AuthorityKeyUsage::CertSign => vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign],
                AuthorityKeyUsage::CrlSign => vec![KeyUsagePurpose::CrlSign],
                AuthorityKeyUsage::Absent => vec![],
            },
            extended_key_usages: purposes(settings.extended_key_usage),
            name_constraints: constraints,
            crl_url: None,
            custom,
        })
    }

    /// The leaf below what `context` is the digest of.
    pub(super) fn leaf(settings: &Leaf, context: &str, leaf: &LeafNames) -> Result<Self, MintError> {
        let mut custom = vec![];
        custom.extend(basic_constraints(settings.basic_constraints, None));
        custom.extend(information_access(settings.ocsp_url.as_deref(), settings.issuer_url.as_deref()));
        custom.extend(settings.must_staple.then(must_staple));
        custom.extend(unknown(settings.unknown_extension));
        custom.extend(padding(settings.padding_bytes));
        let id = digest(&["leaf", context, &serde_json::to_string(settings)?]);
        // Nor one self-signed leaf for another that is enrolled.
        let subject = subject(Some(&format!("leaf {}", &id[..12])), settings.common_name.as_deref());
        Ok(Self {
            id,
            subject,
            role: "leaf".into(),
            key: settings.key,
            signature: settings.signature,
            valid_from_days: settings.valid_from_days,
            valid_until_days: settings.valid_until_days,
            key_identifiers: settings.key_identifiers,
            serial: settings.serial,
            version: settings.version,
            names: leaf.names.clone(),
            key_usages: leaf_usages(settings.key_usage, settings.key),
            extended_key_usages: purposes(settings.extended_key_usage),
            name_constraints: None,
            crl_url: settings.crl_url.clone(),
            custom,
        })
    }

    /// rcgen's parameters, without validity, serial number and key identifiers.
    pub(super) fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = self.subject.clone();
        params.subject_alt_names = self.names.clone();
        params.key_usages = self.key_usages.clone();
        params.extended_key_usages = self.extended_key_usages.clone();
        params.name_constraints = self.name_constraints.clone();
        params.crl_distribution_points =
            self.crl_url.iter().map(|url| CrlDistributionPoint { uris: vec![url.clone()] }).collect();
        params.custom_extensions = self.custom.clone();
        params
    }
}

fn subject(unit: Option<&str>, common_name: Option<&str>) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, ORGANISATION);
    if let Some(unit) = unit {
        subject.push(DnType::OrganizationalUnitName, unit);
    }
    if let Some(name) = common_name {
        subject.push(DnType::CommonName, name);
    }
    subject
}

fn leaf_usages(usage: LeafKeyUsage, key: Key) -> Vec<KeyUsagePurpose> {
    match usage {
        LeafKeyUsage::Server if matches!(key.kind(), Kind::Rsa(_)) => {
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment]
        }
        LeafKeyUsage::Server | LeafKeyUsage::DigitalSignature => vec![KeyUsagePurpose::DigitalSignature],
        LeafKeyUsage::KeyEncipherment => vec![KeyUsagePurpose::KeyEncipherment],
        LeafKeyUsage::CertSign => vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign],
        LeafKeyUsage::Absent => vec![],
    }
}

fn purposes(usage: ExtendedKeyUsage) -> Vec<ExtendedKeyUsagePurpose> {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, CodeSigning, ServerAuth};
    match usage {
        ExtendedKeyUsage::Absent => vec![],
        ExtendedKeyUsage::Server => vec![ServerAuth],
        ExtendedKeyUsage::Client => vec![ClientAuth],
        ExtendedKeyUsage::ServerAndClient => vec![ServerAuth, ClientAuth],
        ExtendedKeyUsage::CodeSigning => vec![CodeSigning],
        ExtendedKeyUsage::Any => vec![Any],
    }
}

fn name_constraints(constraints: NameConstraints, leaf: &LeafNames) -> Option<rcgen::NameConstraints> {
    let own = || name::subtrees(&leaf.names, leaf.common_name.as_deref());
    let other = || {
        vec![
            GeneralSubtree::DnsName("elsewhere.test".into()),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                Ipv4Addr::new(198, 51, 100, 0).into(),
                24,
            )),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0).into(),
                48,
            )),
        ]
    };
    let (permitted_subtrees, excluded_subtrees) = match constraints {
        NameConstraints::Absent => return None,
        NameConstraints::PermitLeaf => (own(), vec![]),
        NameConstraints::PermitOther => (other(), vec![]),
        NameConstraints::ExcludeLeaf => (vec![], own()),
        NameConstraints::ExcludeOther => (vec![], other()),
    };
    Some(rcgen::NameConstraints { permitted_subtrees, excluded_subtrees })
}

/// By hand, because rcgen ties it to the subject key identifier and knows no path length without CA:TRUE.
fn basic_constraints(constraints: BasicConstraints, path_length: Option<u8>) -> Option<CustomExtension> {
    if constraints == BasicConstraints::Absent {
        return None;
    }
    let content = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            // DER leaves out what is the default: FALSE.
            if constraints == BasicConstraints::Ca {
                writer.next().write_bool(true);
            }
            if let Some(length) = path_length {
                writer.next().write_u8(length);
            }
        });
    });
    Some(extension(&[2, 5, 29, 19], true, content))
}

/// authorityInfoAccess (RFC 5280 §4.2.2.1).
fn information_access(ocsp: Option<&str>, issuer: Option<&str>) -> Option<CustomExtension> {
    let entries = [(1, ocsp), (2, issuer)];
    if entries.iter().all(|(_, url)| url.is_none()) {
        return None;
    }
    let content = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            for (method, url) in entries {
                let Some(url) = url else { continue };
                writer.next().write_sequence(|writer| {
                    write_oid(writer.next(), &[1, 3, 6, 1, 5, 5, 7, 48, method]);
                    writer
                        .next()
                        .write_tagged_implicit(Tag::context(6), |writer| writer.write_ia5_string(url));
                });
            }
        });
    });
    Some(extension(&[1, 3, 6, 1, 5, 5, 7, 1, 1], false, content))
}

/// TLS feature status_request (RFC 7633 §4.1).
fn must_staple() -> CustomExtension {
    let content = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| writer.next().write_u8(5));
    });
    extension(&[1, 3, 6, 1, 5, 5, 7, 1, 24], false, content)
}

fn unknown(unknown: UnknownExtension) -> Option<CustomExtension> {
    let critical = match unknown {
        UnknownExtension::Absent => return None,
        UnknownExtension::NonCritical => false,
        UnknownExtension::Critical => true,
    };
    Some(extension(
        UNKNOWN,
        critical,
        yasna::construct_der(|writer| writer.write_bytes(b"unknown to everybody")),
    ))
}

fn padding(bytes: u32) -> Option<CustomExtension> {
    let size = usize::try_from(bytes).ok().filter(|size| *size > 0)?;
    let content: Vec<u8> = b"plugfest test padding ".iter().copied().cycle().take(size).collect();
    Some(extension(PADDING, false, yasna::construct_der(|writer| writer.write_bytes(&content))))
}

pub(super) fn extension(oid: &[u64], critical: bool, content: Vec<u8>) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content);
    extension.set_criticality(critical);
    extension
}
