//! What is wrong with settings that are well-formed.

use super::{
    Authority, CrossSigned, Enrolled, Extra, Issuer, Key, Leaf, Missing, NameConstraints, Order, Serial,
    Settings, SettingsError, Signature, name,
};
use crate::algorithm;

/// Most intermediates: OpenSSL goes 100 certificates deep unless it is told otherwise.
const MOST_INTERMEDIATES: u8 = 100;
/// Largest padding of one certificate, in bytes.
const MOST_PADDING: u32 = 1 << 20;
/// Largest padding of a chain, in bytes. A Certificate message has less than 16 MiB (RFC 8446 §4.4.2).
const MOST_PADDING_SENT: u64 = 15 << 20;

fn error(path: impl Into<String>, problem: impl Into<String>) -> SettingsError {
    SettingsError { path: path.into(), problem: problem.into() }
}

impl Settings {
    /// Checks settings whose placeholders have been replaced; [`crate::Pki::mint`] does it too, but needs a cache.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.intermediates > MOST_INTERMEDIATES {
            let problem =
                format!("{} are too many; expected at most {MOST_INTERMEDIATES}", self.intermediates);
            return Err(error("intermediates", problem));
        }
        self.check_names()?;
        self.check_shape()?;
        self.check_signatures()?;
        let authorities = [("anchor", &self.anchor), ("intermediate", &self.intermediate)];
        for (path, Authority { valid_from_days, valid_until_days, padding_bytes, .. }) in authorities {
            check_validity(path, *valid_from_days, *valid_until_days)?;
            check_padding(path, *padding_bytes)?;
        }
        check_validity("leaf", self.leaf.valid_from_days, self.leaf.valid_until_days)?;
        check_padding("leaf", self.leaf.padding_bytes)?;
        // The anchor, its cross-certificate and the intermediates may be there twice.
        let sent = u64::from(self.leaf.padding_bytes) * 2
            + u64::from(self.intermediate.padding_bytes) * u64::from(self.intermediates) * 2
            + u64::from(self.anchor.padding_bytes) * 2;
        if sent > MOST_PADDING_SENT {
            let problem = "the paddings of the chain are too large together; expected at most 15 MiB";
            return Err(error("intermediate.padding_bytes", problem));
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), SettingsError> {
        let Leaf { names, common_name, crl_url, ocsp_url, issuer_url, .. } = &self.leaf;
        let mut parsed = Vec::new();
        for (index, text) in names.iter().enumerate() {
            let wrong = |problem| error(format!("leaf.names[{index}]"), problem);
            parsed.push(name::parse(text).map_err(wrong)?);
        }
        if let Some(text) = common_name {
            name::check_expanded(text).map_err(|problem| error("leaf.common_name", problem))?;
        }
        for (path, url) in
            [("leaf.crl_url", crl_url), ("leaf.ocsp_url", ocsp_url), ("leaf.issuer_url", issuer_url)]
        {
            if let Some(url) = url {
                name::check_ia5(url).map_err(|problem| error(path, problem))?;
            }
        }
        let constraints = [("anchor", &self.anchor), ("intermediate", &self.intermediate)];
        for (path, authority) in constraints {
            let about_leaf = matches!(
                authority.name_constraints,
                NameConstraints::PermitLeaf | NameConstraints::ExcludeLeaf
            );
            if about_leaf && name::subtrees(&parsed, common_name.as_deref()).is_empty() {
                let problem = "the leaf has no DNS name and no address that could be constrained";
                return Err(error(format!("{path}.name_constraints"), problem));
            }
        }
        Ok(())
    }

    /// Whether what is missing, doubled or turned round is there at all.
    fn check_shape(&self) -> Result<(), SettingsError> {
        let alone = self.leaf.issuer == Issuer::Itself;
        let intermediates = if alone { 0 } else { usize::from(self.intermediates) };
        let none = |path| {
            let why = if alone { "a self-signed leaf is sent alone" } else { "`intermediates` is 0" };
            Err(error(path, format!("there is no intermediate that this could be about: {why}")))
        };
        if self.missing != Missing::Nothing && intermediates == 0 {
            return none("missing");
        }
        if self.extra == Extra::Intermediates && intermediates == 0 {
            return none("extra");
        }
        if self.enrolled == Enrolled::Intermediate && intermediates == 0 {
            return none("enrolled");
        }
        if alone && self.sends_anchor {
            return Err(error("sends_anchor", "a self-signed leaf is sent alone"));
        }
        if self.cross_signed != CrossSigned::No {
            if alone {
                return Err(error("cross_signed", "a self-signed leaf is sent alone"));
            }
            if self.enrolled != Enrolled::Anchor {
                return Err(error(
                    "cross_signed",
                    "says itself what is enrolled; expected `enrolled: anchor`",
                ));
            }
        }
        if self.leaf.revoked && alone {
            return Err(error("leaf.revoked", "a self-signed leaf has no issuer who could revoke it"));
        }
        if self.leaf.revoked && self.leaf.serial == Serial::Negative {
            return Err(error("leaf.revoked", "a revocation list cannot name a negative serial number here"));
        }
        let others = self.layout().len() - 1;
        if self.order == Order::OthersReversed && others < 2 {
            let problem =
                format!("there is nothing to reverse: {others} of the chain is sent behind the leaf");
            return Err(error("order", problem));
        }
        Ok(())
    }

    fn check_signatures(&self) -> Result<(), SettingsError> {
        let check = |path: &str, signer: Key, signature: Signature| {
            algorithm::scheme(signer, signature)
                .map(|_| ())
                .map_err(|problem| error(format!("{path}.signature"), problem))
        };
        check("anchor", self.anchor.key, self.anchor.signature)?;
        let mut issuer = self.anchor.key;
        if self.intermediates > 0 {
            check("intermediate", issuer, self.intermediate.signature)?;
            issuer = self.intermediate.key;
        }
        if self.intermediates > 1 {
            check("intermediate", issuer, self.intermediate.signature)?;
        }
        let signer = if self.leaf.issuer == Issuer::Itself { self.leaf.key } else { issuer };
        check("leaf", signer, self.leaf.signature)
    }
}

fn check_validity(path: &str, from: i32, until: i32) -> Result<(), SettingsError> {
    if from > until {
        let problem = format!("{until} is before valid_from_days, {from}");
        return Err(error(format!("{path}.valid_until_days"), problem));
    }
    Ok(())
}

fn check_padding(path: &str, bytes: u32) -> Result<(), SettingsError> {
    if bytes > MOST_PADDING {
        let problem = format!("{bytes} is too large; expected at most {MOST_PADDING}");
        return Err(error(format!("{path}.padding_bytes"), problem));
    }
    Ok(())
}
