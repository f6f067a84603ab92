//! From the placed tree to Rust types, keeping the place of everything that does not fit.

use crate::fault::{Fault, FaultKind, found, joined};
use crate::tree::{Content, Node};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// Reads `node` as a `T`.
pub(crate) fn read<T: DeserializeOwned>(node: &Node) -> Result<T, Fault> {
    T::deserialize(Reader(node))
}

/// Reads `root` as a `T` and, at each fault, goes on without the entry or element that has it, so that one reading finds
/// the faults of the whole tree. No value if something without which there is no `T` is at fault.
pub(crate) fn read_all<T: DeserializeOwned>(root: &Node, faults: &mut Vec<Fault>) -> Option<T> {
    let mut tree = root.clone();
    let mut incomplete = Vec::new();
    loop {
        let fault = match read(&tree) {
            Ok(value) => return Some(value),
            Err(fault) => fault,
        };
        let at = fault.at.as_ref().map(|(id, _)| *id)?;
        if !follows_from_another(&fault, at, root, &incomplete) {
            faults.push(fault);
        }
        if faults.len() >= MAX_FAULTS {
            return None;
        }
        incomplete.push(tree.remove_around(at)?);
    }
}

/// Whether a key is only missing, or a value only of the wrong kind, because something at fault was taken from there.
fn follows_from_another(fault: &Fault, at: u32, root: &Node, incomplete: &[u32]) -> bool {
    match &fault.kind {
        FaultKind::MissingKey(missing) => root.find(at).is_some_and(|block| block.has_or_means(missing)),
        FaultKind::Mismatch { .. } => incomplete.contains(&at),
        _ => false,
    }
}

/// Faults after which a reading ends.
const MAX_FAULTS: usize = 100;

#[derive(Clone, Copy)]
struct Reader<'t>(&'t Node);

impl Reader<'_> {
    fn place<T>(self, result: Result<T, Fault>) -> Result<T, Fault> {
        result.map_err(|mut fault| {
            fault.at.get_or_insert_with(|| (self.0.id, self.0.span.clone()));
            fault
        })
    }

    fn mismatch<T>(self, expected: String) -> Result<T, Fault> {
        let found = found(&self.0.content);
        self.place(Err(FaultKind::Mismatch { found, expected }.into()))
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let result = match &self.0.content {
            Content::Null => visitor.visit_unit(),
            Content::Bool(value) => visitor.visit_bool(*value),
            Content::Integer(value) => match (u64::try_from(*value), i64::try_from(*value)) {
                (Ok(value), _) => visitor.visit_u64(value),
                (_, Ok(value)) => visitor.visit_i64(value),
                _ => visitor.visit_f64(*value as f64),
            },
            Content::Float(value) => visitor.visit_f64(*value),
            Content::Text(text) => visitor.visit_str(text),
            Content::List(elements) => visitor.visit_seq(Elements(elements.iter())),
            Content::Map(entries) => visitor.visit_map(Entries { rest: entries.iter(), value: None }),
        };
        self.place(result)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.content {
            Content::Null => visitor.visit_none(),
            Content::Text(text)
                if self.0.plain && matches!(text.as_str(), "absent" | "none" | "None" | "nil") =>
            {
                self.mismatch("`null` for none, or the word in quotes".into())
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.place(visitor.visit_newtype_struct(self))
    }

    /// Only from a map: serde would take a list of values in field order as well, which no reader would understand.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.0.content {
            Content::Map(_) => self.deserialize_any(visitor),
            _ => self.mismatch(format!("a block with {}", joined(fields, "and"))),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let (name, value) = match &self.0.content {
            Content::Text(_) => (self.0, None),
            Content::Map(entries) if entries.len() == 1 => (&entries[0].0, Some(&entries[0].1)),
            _ => return self.mismatch(joined(variants, "or")),
        };
        self.place(visitor.visit_enum(Variant { name, value }))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map identifier ignored_any
    }
}

struct Elements<'t>(std::slice::Iter<'t, Node>);

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Fault;
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        self.0.next().map(|element| seed.deserialize(Reader(element))).transpose()
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Entries<'t> {
    rest: std::slice::Iter<'t, (Node, Node)>,
    value: Option<&'t Node>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        match key.content {
            Content::Text(_) => seed.deserialize(Reader(key)).map(Some),
            _ => Reader(key).mismatch("a word as the key".into()),
        }
    }
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let value = self.value.take().expect("invariant: serde asks for a value after its key");
        seed.deserialize(Reader(value))
    }
}

struct Variant<'t> {
    name: &'t Node,
    value: Option<&'t Node>,
}

impl Variant<'_> {
    fn fault(&self, takes_value: bool) -> Fault {
        let name = self.name.text().unwrap_or_default().to_owned();
        let at = self.value.unwrap_or(self.name);
        Fault { at: Some((at.id, at.span.clone())), kind: FaultKind::Variant { name, takes_value } }
    }
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Fault;
    type Variant = Self;
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        Ok((seed.deserialize(Reader(self.name))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Fault;
    fn unit_variant(self) -> Result<(), Fault> {
        self.value.map_or(Ok(()), |_| Err(self.fault(false)))
    }
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(Reader(self.value.ok_or_else(|| self.fault(true))?))
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        Reader(self.value.ok_or_else(|| self.fault(true))?).deserialize_any(visitor)
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        Reader(self.value.ok_or_else(|| self.fault(true))?).deserialize_struct("", fields, visitor)
    }
}
