//! Why the data side of the cloud could not start or go on.

/// A template that cannot be played, or a database that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A resource says something that is wrong on AWS, or that is not played here.
    #[error("{resource}: {reason}")]
    Template {
        /// The logical id of the resource.
        resource: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The local DynamoDB refused something.
    #[error("local DynamoDB: {0}")]
    Database(String),
    /// SQLite refused something.
    #[error("local store: {0}")]
    Store(#[from] rusqlite::Error),
    /// A file or socket could not be used.
    #[error("local data: {0}")]
    Io(#[from] std::io::Error),
}

impl DataError {
    /// A resource that cannot be played.
    pub fn template(resource: &str, reason: impl Into<String>) -> Self {
        Self::Template { resource: resource.to_owned(), reason: reason.into() }
    }
}

impl From<dynoxide::DynoxideError> for DataError {
    fn from(error: dynoxide::DynoxideError) -> Self {
        Self::Database(error.to_string())
    }
}
