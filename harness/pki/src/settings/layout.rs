//! Which certificates are sent, and in which order.

use super::{CrossSigned, Extra, Issuer, Missing, Order, Settings};

/// One certificate of the chain as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Leaf,
    /// The intermediate with this index; 0 is the one that the anchor signed.
    Intermediate(u8),
    Anchor,
    /// The anchor's key, certified by the older anchor.
    Cross,
    /// An authority that has nothing to do with the chain.
    Stranger,
}

impl Settings {
    /// The chain as sent. The leaf is always there and first: it is the one whose key the server has.
    pub(crate) fn layout(&self) -> Vec<Part> {
        let alone = self.leaf.issuer == Issuer::Itself;
        let count = if alone { 0 } else { self.intermediates };
        let intermediates = (0..count).rev().map(Part::Intermediate);
        let is_missing = |part: &Part| match (self.missing, part) {
            (Missing::Nothing, _) => false,
            (Missing::LowestIntermediate, part) => *part == Part::Intermediate(count.saturating_sub(1)),
            (Missing::HighestIntermediate, part) => *part == Part::Intermediate(0),
            (Missing::Intermediates, part) => matches!(part, Part::Intermediate(_)),
        };
        let mut parts = vec![Part::Leaf];
        parts.extend(intermediates.clone().filter(|part| !is_missing(part)));
        parts.extend((self.sends_anchor && !alone).then_some(Part::Anchor));
        parts.extend((self.cross_signed != CrossSigned::No && !alone).then_some(Part::Cross));
        match self.extra {
            Extra::Nothing => {}
            Extra::Leaf => parts.push(Part::Leaf),
            Extra::Intermediates => parts.extend(intermediates),
            Extra::Stranger | Extra::ExpiredStranger => parts.push(Part::Stranger),
        }
        if self.order == Order::OthersReversed {
            parts[1..].reverse();
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Part::*;

    fn layout(change: impl FnOnce(&mut Settings)) -> Vec<Part> {
        let mut settings = Settings { intermediates: 3, ..Settings::default() };
        change(&mut settings);
        settings.layout()
    }

    #[test]
    fn the_chain_is_sent_as_told() {
        let whole = [Leaf, Intermediate(2), Intermediate(1), Intermediate(0)];
        assert_eq!(layout(|_| ()), whole);
        assert_eq!(
            layout(|s| s.missing = Missing::LowestIntermediate),
            [Leaf, Intermediate(1), Intermediate(0)]
        );
        assert_eq!(layout(|s| s.missing = Missing::HighestIntermediate), whole[..3]);
        assert_eq!(layout(|s| s.missing = Missing::Intermediates), [Leaf]);
        assert_eq!(layout(|s| s.extra = Extra::Leaf)[3..], [Intermediate(0), Leaf]);
        assert_eq!(layout(|s| s.extra = Extra::Intermediates)[4..], whole[1..]);
        assert_eq!(layout(|s| s.extra = Extra::Stranger)[4..], [Stranger]);
        assert_eq!(
            layout(|s| s.order = Order::OthersReversed),
            [Leaf, Intermediate(0), Intermediate(1), Intermediate(2)]
        );
        assert_eq!(
            layout(|s| (s.sends_anchor, s.cross_signed) = (true, CrossSigned::ByExpired))[3..],
            [Intermediate(0), Anchor, Cross]
        );
        assert_eq!(layout(|s| s.leaf.issuer = Issuer::Itself), [Leaf]);
        assert_eq!(layout(|s| s.intermediates = 0), [Leaf]);
    }
}
