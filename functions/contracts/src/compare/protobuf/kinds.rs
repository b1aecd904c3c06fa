//! What a field holds, and what another type does to it.

use shared::surface::{Field, Presence, Shape, TypeId};

use super::From;
use super::side::Side;
use crate::compare::Level;
use crate::finding::Severity;

/// What a field holds, one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind<'s> {
    Scalar(&'s str),
    Enum(&'s str),
    Message(&'s str),
    /// A message between two tags: a group, or by the feature.
    Delimited(&'s str),
    Map(TypeId, TypeId),
    /// A type that is defined nowhere, by the name that was looked up.
    Unknown(String),
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cardinality {
    Implicit,
    Explicit,
    Required,
    Repeated,
    Map,
}

impl Cardinality {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Implicit => "optional with implicit presence",
            Self::Explicit => "optional with explicit presence",
            Self::Required => "required",
            Self::Repeated => "repeated",
            Self::Map => "a map",
        }
    }

    /// `FIELD_SAME_CARDINALITY`, and for the wire and JSON `FIELD_WIRE_COMPATIBLE_CARDINALITY`, `FIELD_WIRE_JSON_COMPATIBLE_CARDINALITY`: a map is a
    /// repeated entry on the wire, and something else in JSON.
    pub(super) fn to(self, other: Self) -> From {
        let is_one = |cardinality| matches!(cardinality, Self::Implicit | Self::Explicit);
        let is_many = |cardinality| matches!(cardinality, Self::Repeated | Self::Map);
        From::of(match () {
            () if is_one(self) && is_one(other) => Level::Package,
            () if is_many(self) && is_many(other) => Level::WireJson,
            () => Level::Wire,
        })
    }
}

/// What a field holds, and how many.
pub(super) fn of<'s>(side: &Side<'s>, field: &Field) -> (Kind<'s>, Cardinality) {
    let is_delimited = side.facet(field.element, "protobuf.encoding") == "delimited";
    let ty = side.surface.get(field.ty);
    match &ty.shape {
        Shape::List(list) => {
            let item = list.items.map_or_else(|| Kind::Unknown(String::new()), |item| one(side, item, is_delimited));
            (item, Cardinality::Repeated)
        }
        Shape::Map(_) => (one(side, field.ty, is_delimited), Cardinality::Map),
        _ => {
            let cardinality = match field.presence {
                Presence::Implicit => Cardinality::Implicit,
                Presence::Optional => Cardinality::Explicit,
                Presence::Required => Cardinality::Required,
            };
            (one(side, field.ty, is_delimited), cardinality)
        }
    }
}

fn one<'s>(side: &Side<'s>, id: TypeId, is_delimited: bool) -> Kind<'s> {
    let ty = side.surface.get(id);
    match &ty.shape {
        Shape::Scalar(scalar) => Kind::Scalar(&scalar.format),
        Shape::Enum(_) => Kind::Enum(ty.name.text()),
        Shape::Record(_) if is_delimited => Kind::Delimited(ty.name.text()),
        Shape::Record(_) => Kind::Message(ty.name.text()),
        Shape::Map(map) => Kind::Map(map.key, map.value),
        _ => Kind::Unknown(super::files::plain(&side.facet(ty.element, "surface.unresolved"))),
    }
}

/// A kind as people read it.
pub(super) fn name(side: &Side<'_>, kind: &Kind<'_>) -> String {
    match kind {
        Kind::Scalar(name) | Kind::Enum(name) | Kind::Message(name) => (*name).to_owned(),
        Kind::Delimited(name) => format!("{name} (delimited)"),
        Kind::Unknown(name) => name.clone(),
        Kind::Map(key, value) => {
            let part = |id: &TypeId| match one(side, *id, false) {
                // A map has no maps.
                Kind::Map(..) => "map".to_owned(),
                kind => name(side, &kind),
            };
            format!("map<{}, {}>", part(key), part(value))
        }
    }
}

/// Which scalars are written alike (`FIELD_WIRE_COMPATIBLE_TYPE`; <https://protobuf.dev/programming-guides/proto3/#updating>).
fn wire_group(scalar: &str) -> &str {
    match scalar {
        "int32" | "int64" | "uint32" | "uint64" | "bool" => "int",
        "sint32" | "sint64" => "sint",
        "fixed32" | "sfixed32" => "fixed32",
        "fixed64" | "sfixed64" => "fixed64",
        other => other,
    }
}

/// Which scalars are written alike in JSON, too (`FIELD_WIRE_JSON_COMPATIBLE_TYPE`): those of 64 bits are texts there.
fn json_group(scalar: &str) -> &str {
    match scalar {
        "int32" | "uint32" => "int32",
        "int64" | "uint64" => "int64",
        "fixed32" | "sfixed32" => "fixed32",
        "fixed64" | "sfixed64" => "fixed64",
        other => other,
    }
}

/// From which level on another kind breaks; nothing where it is the same one.
pub(super) fn change(before: &Side<'_>, old: &Kind<'_>, after: &Side<'_>, new: &Kind<'_>) -> Option<From> {
    match (old, new) {
        (Kind::Scalar(old), Kind::Scalar(new)) if old == new => None,
        (Kind::Scalar("string"), Kind::Scalar("bytes")) => Some(From::of(Level::WireJson)),
        (Kind::Scalar(old), Kind::Scalar(new)) => Some(From::of(match () {
            () if wire_group(old) != wire_group(new) => Level::Wire,
            () if json_group(old) != json_group(new) => Level::WireJson,
            () => Level::Package,
        })),
        (Kind::Enum(old), Kind::Enum(new)) if old == new => None,
        (Kind::Enum(old), Kind::Enum(new)) => {
            let is_moved = last(old) == last(new) && super::enums::is_subset(before, old, after, new);
            Some(From::of(if is_moved { Level::Package } else { Level::Wire }))
        }
        // The same varint. Whether it breaks at the level of the wire depends on the numbers that are sent: an enumeration that is closed drops those that
        // it does not list. In JSON values have names.
        (Kind::Enum(_), Kind::Scalar(scalar)) | (Kind::Scalar(scalar), Kind::Enum(_))
            if wire_group(scalar) == "int" =>
        {
            Some(From { level: Level::WireJson, below: Severity::Dangerous })
        }
        (Kind::Message(old), Kind::Message(new)) | (Kind::Delimited(old), Kind::Delimited(new)) if old == new => None,
        (Kind::Unknown(old), Kind::Unknown(new)) if last(old) == last(new) => None,
        (Kind::Map(old_key, old_value), Kind::Map(new_key, new_value)) => {
            let part = |old: &TypeId, new: &TypeId| {
                let (old, new) = (one(before, *old, false), one(after, *new, false));
                match (&old, &new) {
                    // A map has no maps.
                    (Kind::Map(..), Kind::Map(..)) => None,
                    _ => change(before, &old, after, &new),
                }
            };
            match (part(old_key, new_key), part(old_value, new_value)) {
                (Some(key), Some(value)) => Some(key.worse(value)),
                (key, value) => key.or(value),
            }
        }
        _ => Some(From::of(Level::Wire)),
    }
}

/// The last part of a name.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
