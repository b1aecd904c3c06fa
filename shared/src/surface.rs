//! The surface of a version: what is searched, shown, compared and metered, whatever the format.
//!
//! # The model
//! A [`Surface`] is a graph in tables. [`Operation`]s have [`Input`]s and [`Outcome`]s, whose [`Content`]s name a [`Type`] by its [`TypeId`]; types
//! name other types, in cycles too. Types that no operation reaches are in the table as well. Nothing is nested without end, so nothing that walks it
//! needs a deep stack. What each thing means stands at its type; in short:
//!
//! - a **type** is a [`Shape`] (scalar, enumeration, record, list or tuple, map, union, intersection, this-or-null) and [`Residual`]s, where the algebra ends;
//! - **identity** is structure. A name is meaning only where callers see it ([`Name::Nominal`]: GraphQL, protobuf, XML Schema);
//! - **facets** are what one format alone knows. Any element may have some: [`Surface::facets_of`]. They are part of the meaning;
//! - **positions** and **words** (summaries, tags, descriptions) are not. Positions stand beside the surface: [`Surface::position`], [`Surface::path`].
//!
//! # Making one
//! A reader fills a [`Builder`], which numbers elements, shares texts and plain types, and closes the surface with its digest. How families map:
//!
//! | | OpenAPI | GraphQL | protobuf | AsyncAPI | RAML, WSDL |
//! | --- | --- | --- | --- | --- | --- |
//! | operation | `Http`, `Webhook`, `Callback` | `Field`; its arguments are inputs, its type the outcome `ok` | `Rpc`, `http` bindings | `Channel` | `Http`; `Soap` |
//! | type's name | `Alias` | `Nominal` | `Nominal` (`pkg.Message`) | `Alias` | `Alias`; `Nominal` |
//! | nullability | `Nullable` | `Nullable` around everything without `!` | none: `Presence` | `Nullable` | `Nullable` (`nil`; `nillable`) |
//! | fields | `Record` | `Record`; fields of objects have `arguments`; inputs have `additional: Never` | `Record`, `choices` for `oneof`; `protobuf.number` … are facets | `Record` | `Record` |
//! | enumeration | JSON values, closed | names, closed | names, `open` in proto3, `protobuf.number` at each value | as OpenAPI | as OpenAPI |
//! | one of several | `Union` of `Any`, `One`, `Base` | `Union`, `Tagged`; interfaces are records with `is_interface` | `choices` | `Union` | `Union` |
//! | else | `x-…` is not meaning, but for what the reader knows | a directive's definition is a record named `@name` | a file's, message's, service's options are facets | bindings are facets | order of XML is a facet |
//!
//! # The digest
//! [`Surface::digest`] depends on the meaning alone; see [`Digests`].
//!
//! # As bytes
//! [`Surface::pack`] and [`Surface::unpack`]: one line of JSON, versioned, the same surface always to the same bytes.

mod build;
mod digest;
mod element;
mod number;
mod operations;
mod pack;
mod packed;
mod reach;
mod refine;
mod texts;
mod types;
mod value;
mod warning;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use build::Builder;
pub use digest::{Digest, Digests};
pub use element::{ElementId, Facet, Json, Position};
pub use number::Decimal;
pub use operations::{
    Action, Alternative, Content, Flow, HttpBinding, Input, Need, Operation, OperationKind, Outcome, Place, Root,
    Scheme, SchemeId, SchemeKind, Server, ServerId, Variable,
};
pub use pack::{PACKED_BYTES_MAX, Unreadable};
pub use types::{
    Bound, Choice, Condition, Contains, Dependent, Direction, Discriminator, Enum, EnumValue, Field, Fits, Keyword,
    List, Map, Mapped, Name, Pattern, Presence, Record, Residual, Scalar, ScalarKind, Sequence, Shape, Type, TypeId,
    Union, Variant,
};
pub use value::Value;
pub use warning::Warning;

/// A text of the document. Equal ones are shared.
pub type Text = Arc<str>;

/// A text for people, which is not meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Words(pub Text);

/// The families of formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// OpenAPI, Swagger 2.0 among it.
    #[default]
    OpenApi,
    /// GraphQL's schema definition language.
    GraphQl,
    /// Protocol Buffers.
    Protobuf,
    /// AsyncAPI.
    AsyncApi,
    /// RAML.
    Raml,
    /// WSDL.
    Wsdl,
}

/// What a version offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surface {
    /// The family of the format. It is in the digest, its version is not.
    pub format: Format,
    /// The version of the format as the document names it: `3.0.3`, `proto3`; empty where it names none.
    pub format_version: Words,
    /// The API's title, for people.
    pub title: Words,
    /// The document's own name of its version.
    pub api_version: Words,
    /// The files that were read, the root first.
    pub files: Vec<Words>,
    /// The operations in the order of the document.
    pub operations: Vec<Operation>,
    /// The types: those that operations reach, and the others.
    pub types: Vec<Type>,
    /// The ways to prove who calls.
    pub schemes: Vec<Scheme>,
    /// Where it is served.
    pub servers: Vec<Server>,
    /// Where each element stands, by its number.
    pub positions: Vec<Position>,
    /// What only the format knows, by element, each sorted by key. That of [`ElementId::NONE`] is the document's own.
    pub facets: BTreeMap<ElementId, Vec<Facet>>,
    /// The digest of its meaning.
    pub digest: Digest,
}

impl Surface {
    /// A type by its number. A surface that was built or unpacked has every type that it names.
    #[must_use]
    pub fn get(&self, id: TypeId) -> &Type {
        static ANY: std::sync::LazyLock<Type> = std::sync::LazyLock::new(|| Type::of(Shape::Any));
        self.types.get(id.0 as usize).unwrap_or(&ANY)
    }

    /// The facets of an element, sorted by key.
    #[must_use]
    pub fn facets_of(&self, element: ElementId) -> &[Facet] {
        self.facets.get(&element).map_or(&[], Vec::as_slice)
    }

    /// One facet of an element.
    #[must_use]
    pub fn facet(&self, element: ElementId, key: &str) -> Option<&Json> {
        self.facets_of(element).iter().find(|facet| &*facet.key == key).map(|facet| &facet.value)
    }

    /// Where an element stands; nothing for [`ElementId::NONE`].
    #[must_use]
    pub fn position(&self, element: ElementId) -> Option<&Position> {
        if element == ElementId::NONE { None } else { self.positions.get(element.0 as usize) }
    }

    /// The path of an element in its file: a JSON pointer, or the format's own (`Query.user`).
    #[must_use]
    pub fn path(&self, element: ElementId) -> String {
        let mut steps: Vec<&str> = Vec::new();
        let mut at = element;
        // A parent is always older, so this ends.
        while let Some(position) = self.position(at) {
            steps.push(&position.step);
            if position.parent >= at {
                break;
            }
            at = position.parent;
        }
        steps.into_iter().rev().collect()
    }
}
