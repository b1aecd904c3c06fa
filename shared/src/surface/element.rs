//! Elements: what can be pointed at. Where each stands, and what only its format knows of it, is kept beside the surface by the element's number.

use super::Text;

/// The number of an element: an operation, an input, a content, an outcome, a type, a field, a variant, a value of an enumeration, a choice, a
/// scheme, a server. It is given in the order in which a reader meets them, has no meaning of its own and is not in the digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ElementId(pub u32);

impl ElementId {
    /// No element: a type that is shared by all who use it (a plain string) stands nowhere of its own. Its use says where.
    pub const NONE: Self = Self(0);
}

/// Where an element stands in the files that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The file's place in [`Surface::files`](super::Surface::files).
    pub file: u32,
    /// The line, from 1; 0 where the element stands in no file (a type that the format brings along).
    pub line: u32,
    /// The column in the line, from 1, in characters.
    pub column: u32,
    /// The element that this one stands in, whose path begins this one's; [`ElementId::NONE`] where [`step`](Self::step) is the whole path.
    pub parent: ElementId,
    /// What is added to the parent's path, with its separator: `/properties/name` of a JSON pointer, `.name` of a GraphQL or protobuf path.
    pub step: Text,
}

/// A value that one format alone knows: an option of protobuf, a directive of GraphQL, a binding of AsyncAPI, an order of XML Schema.
/// It is part of the meaning, and compared by the table of its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facet {
    /// Its name, which begins with its format's: `protobuf.number`, `graphql.directives`, `openapi.style`. At most one of a name on an element.
    pub key: Text,
    /// Its value as canonical JSON.
    pub value: Json,
}

/// A JSON value in canonical form: keys sorted, no space, numbers as [`Decimal`](super::Decimal) writes them, so that equal values are equal texts.
/// Made by [`Json::of`](super::Json::of).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Json(pub(super) Text);

impl Json {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}
