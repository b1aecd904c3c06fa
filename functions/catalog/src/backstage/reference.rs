//! References to entities: `[kind:][namespace/]name` (<https://backstage.io/docs/features/software-catalog/references>).

/// What an entity is called. Case makes no difference, so all of it is in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntityRef {
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Why a text is no reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a reference such as `component:default/petstore`")]
pub struct NotAReference;

/// The namespace of whatever names none.
pub(super) const DEFAULT_NAMESPACE: &str = "default";

impl EntityRef {
    /// From its parts.
    #[must_use]
    pub fn new(kind: &str, namespace: &str, name: &str) -> Self {
        let lower = |text: &str| text.to_lowercase();
        Self { kind: lower(kind), namespace: lower(namespace), name: lower(name) }
    }

    /// Reads a reference; what it leaves out is of this kind and in this namespace.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str, kind: &str, namespace: &str) -> Result<Self, NotAReference> {
        let (kind, rest) = text.split_once(':').unwrap_or((kind, text));
        let (namespace, name) = rest.split_once('/').unwrap_or((namespace, rest));
        let fits = |part: &str| !part.is_empty() && part.len() <= 63 && !part.contains([':', '/']) && is_plain(part);
        if fits(kind) && fits(namespace) && fits(name) {
            Ok(Self::new(kind, namespace, name))
        } else {
            Err(NotAReference)
        }
    }

    /// For people: without the namespace where it is the default one, and without this kind.
    #[must_use]
    pub fn short(&self, kind: &str) -> String {
        let Self { kind: own, namespace, name } = self;
        let name = if namespace == DEFAULT_NAMESPACE { name.clone() } else { format!("{namespace}/{name}") };
        if own == kind { name } else { format!("{own}:{name}") }
    }
}

impl std::fmt::Display for EntityRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, namespace, name } = self;
        write!(f, "{kind}:{namespace}/{name}")
    }
}

/// Letters, digits, and `-`, `_`, `.`, `+` and `@` within: names of people may have the latter two.
fn is_plain(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+@".contains(&byte))
}
