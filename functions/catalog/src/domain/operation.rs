//! An operation as it is listed, searched and routed.

use serde::{Deserialize, Serialize};

/// One callable thing of a version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Operation {
    /// Its name, unique in the version: the document's `operationId`, or `METHOD /path` where there is none.
    pub id: String,
    /// The HTTP method, in upper case; `QUERY`, `MUTATION` or `SUBSCRIPTION` of GraphQL; `POST` for a method of gRPC.
    pub method: String,
    /// The path with its parameters in braces, such as `/forecast/{city}`; the name of a root field of GraphQL, which does not begin with `/`;
    /// `/package.Service/Method` of gRPC.
    pub path: String,
    /// How a method of gRPC is called over plain HTTP besides: its rules of `google.api.http`, but for those with `**`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bindings: Vec<Binding>,
    /// One line of what it does; empty when the document says nothing.
    pub summary: String,
    /// Whether the document calls it deprecated.
    pub deprecated: bool,
    /// The line in the document where it stands, counted from 1.
    pub line: u32,
}

/// A way over plain HTTP to an operation that has another one too.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Binding {
    /// The HTTP method, in upper case.
    pub method: String,
    /// The path with a parameter in braces for each segment that varies.
    pub path: String,
}

impl Binding {
    /// Bytes of all bindings of an operation: 25 operations are kept in one row.
    pub const BYTES_MAX: usize = 4_000;

    /// Leaves out those that are too many, and says whether there were such.
    pub fn cut(bindings: &mut Vec<Self>) -> bool {
        let (before, mut bytes) = (bindings.len(), 0);
        bindings.retain(|binding| {
            bytes += binding.method.len() + binding.path.len() + 40;
            bytes <= Self::BYTES_MAX
        });
        bindings.len() < before
    }
}
