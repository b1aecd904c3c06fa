//! Backstage's `catalog-info.yaml` (<https://backstage.io/docs/features/software-catalog/descriptor-format>), read so that a company can
//! move in: components become services, and APIs become APIs of the component that provides them. Systems, domains and groups are read
//! for the names that services carry. Nothing that the file refers to is fetched.

mod entity;
mod meaning;
mod reference;

use std::collections::HashMap;

use shared::id::ServiceId;
use shared::principal::Party;
use shared::slug::Slug;
use shared::text::Label;
use shared::time::Time;

use crate::domain::{Description, HttpUrl, Lifecycle, Link, Service};
use crate::readers::Refused;
use crate::readers::tree;

pub use reference::{EntityRef, NotAReference};

/// Bytes of a file.
pub const BYTES_MAX: usize = 1_000_000;
/// Entities of a file, each of which is a YAML document.
pub const ENTITIES_MAX: usize = 500;
/// Remarks on one entity.
const NOTES_MAX: usize = 20;

/// An entity of the file, and what is made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// What Backstage calls it: `component:default/petstore`.
    pub name: String,
    /// Where it begins, from 1.
    pub line: u32,
    /// What it becomes.
    pub meaning: Meaning,
    /// What of it is not taken over, and why.
    pub notes: Vec<String>,
}

/// What an entity becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A service.
    Service(Box<ServiceWish>),
    /// An API.
    Api(Box<ApiWish>),
    /// Nothing of its own: its name is the owner or the domain of services.
    Read,
    /// Nothing, for this reason.
    Skipped(String),
}

/// What a component says about a service: what it leaves out stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceWish {
    /// Its slug.
    pub slug: Slug,
    /// What it is called when it is new and has no title.
    pub fallback: Label,
    /// Its title.
    pub name: Option<Label>,
    /// What it does.
    pub description: Option<Description>,
    /// The team that owns it.
    pub owner: Option<Label>,
    /// The domain of its system.
    pub domain: Option<Label>,
    /// Where its code is.
    pub repository: Option<HttpUrl>,
    /// Its links.
    pub links: Option<Vec<Link>>,
    /// How far it is in its life.
    pub lifecycle: Option<Lifecycle>,
    /// The slugs of APIs that it provides and that are not in the file.
    pub elsewhere: Vec<Slug>,
}

impl ServiceWish {
    /// The service as the file has it: a new one, a changed one in place of the one that was found, or none when nothing differs.
    #[must_use]
    pub fn applied(&self, found: Option<&Service>, organization: &Party, now: Time) -> Option<Service> {
        let mut service = found.cloned().unwrap_or_else(|| self.new_service(organization, now));
        let Self { slug: _, fallback: _, name, description, owner, domain, repository, links, lifecycle, elsewhere: _ } =
            self.clone();
        service.name = name.unwrap_or(service.name);
        service.description = description.or(service.description);
        service.owner = owner.or(service.owner);
        service.domain = domain.or(service.domain);
        service.repository = repository.or(service.repository);
        service.links = links.unwrap_or(service.links);
        service.lifecycle = lifecycle.unwrap_or(service.lifecycle);
        match found {
            Some(found) if *found == service => None,
            Some(found) => Some(Service { revision: found.revision + 1, updated_at: now, ..service }),
            None => Some(service),
        }
    }

    fn new_service(&self, organization: &Party, now: Time) -> Service {
        Service {
            id: ServiceId::new(),
            revision: 1,
            organization: organization.clone(),
            slug: self.slug.clone(),
            name: self.fallback.clone(),
            description: None,
            owner: None,
            domain: None,
            repository: None,
            links: Vec::new(),
            lifecycle: Lifecycle::default(),
            created_at: now,
            updated_at: now,
        }
    }
}

/// What an API's entity says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiWish {
    /// Its slug.
    pub slug: Slug,
    /// What it is called when it is new and has no title.
    pub fallback: Label,
    /// Its title.
    pub name: Option<Label>,
    /// The slug of the service that provides it, by the file.
    pub service: Option<Slug>,
    /// Its document, where that stands in the file.
    pub definition: Option<Definition>,
}

/// A document within the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The format that the entity names.
    pub format: String,
    /// The document.
    pub text: String,
}

/// Reads a file.
///
/// # Errors
/// It is no YAML, or over a limit; with the line.
pub fn read(bytes: &[u8]) -> Result<Vec<Entity>, Refused> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Refused::new("encoding", format!("The file is not UTF-8: byte {} is invalid.", error.valid_up_to()))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let more =
        format!("The file holds more than {ENTITIES_MAX} entities, which is the most that is read at once: split it.");
    let (tree, roots) = tree::read_documents(text, ENTITIES_MAX, &more)?;
    let drafts: Vec<entity::Draft<'_>> = roots
        .iter()
        .filter(|root| !matches!(tree.kind(**root), tree::Kind::Null))
        .map(|root| entity::Draft::of(&tree, *root))
        .collect();
    let mut entities = meaning::of(&drafts);
    apart(&mut entities);
    Ok(entities)
}

/// Two entities that would become the same thing: only the first one does.
fn apart(entities: &mut [Entity]) {
    let mut first: HashMap<(bool, String), (String, u32)> = HashMap::new();
    for entity in entities {
        let (is_api, slug) = match &entity.meaning {
            Meaning::Service(wish) => (false, wish.slug.to_string()),
            Meaning::Api(wish) => (true, wish.slug.to_string()),
            Meaning::Read | Meaning::Skipped(_) => continue,
        };
        let key = (is_api, slug.clone());
        if let Some((name, line)) = first.get(&key) {
            let reason = format!("It would become `{slug}`, as {name} in line {line} does already.");
            entity.meaning = Meaning::Skipped(reason);
        } else {
            first.insert(key, (entity.name.clone(), entity.line));
        }
    }
}

/// The slug of a name in Backstage, which may have capital letters, dots and underscores.
fn slug(name: &str) -> Option<Slug> {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase().parse().ok()
}

#[cfg(test)]
mod tests;
