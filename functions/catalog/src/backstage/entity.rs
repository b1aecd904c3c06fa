//! One entity as it stands in the file, before what it becomes is decided.

use super::reference::{DEFAULT_NAMESPACE, EntityRef};
use super::{Definition, NOTES_MAX, slug};
use crate::domain::{Description, HttpUrl, LINKS_MAX, Lifecycle, Link};
use crate::readers::quote;
use crate::readers::tree::{Kind, NodeId, Tree};
use shared::slug::Slug;
use shared::text::Label;

/// An entity of the file.
pub(super) struct Draft<'a> {
    tree: &'a Tree<'a>,
    root: NodeId,
    pub(super) line: u32,
    /// What it is called, or why it is none.
    pub(super) reference: Result<EntityRef, String>,
    /// Its name as it was written.
    pub(super) written: String,
}

/// What is told of an entity.
pub(super) type Notes = Vec<String>;

pub(super) fn note(notes: &mut Notes, text: String) {
    if notes.len() < NOTES_MAX {
        notes.push(text);
    }
}

impl<'a> Draft<'a> {
    pub(super) fn of(tree: &'a Tree<'a>, root: NodeId) -> Self {
        let mut draft =
            Self { tree, root, line: tree.position(root).line, reference: Err(String::new()), written: String::new() };
        let name = draft.text(&["metadata", "name"]).map(str::to_owned);
        draft.reference = draft.named(name.as_deref());
        draft.written = name.unwrap_or_default();
        draft
    }

    fn named(&self, name: Option<&str>) -> Result<EntityRef, String> {
        if !matches!(self.tree.kind(self.root), Kind::Map(_)) {
            return Err(format!("It is {}, and an entity is a map.", self.tree.name(self.root)));
        }
        if !self.text(&["apiVersion"]).is_some_and(|version| version.starts_with("backstage.io/")) {
            return Err("Its `apiVersion` is none of Backstage's, such as `backstage.io/v1alpha1`.".to_owned());
        }
        let kind = self.text(&["kind"]).ok_or("It has no `kind`.")?;
        let name = name.ok_or("It has no `metadata.name`.")?;
        let namespace = self.text(&["metadata", "namespace"]).unwrap_or(DEFAULT_NAMESPACE);
        EntityRef::parse(&format!("{kind}:{namespace}/{name}"), "", "").map_err(|_| {
            format!(
                "Its kind, namespace and name ({}) are not each of 1 to 63 letters, digits and `-`, `_`, `.`.",
                quote(&format!("{kind}:{namespace}/{name}"))
            )
        })
    }

    /// For the report: its reference, or what there is of it.
    pub(super) fn name(&self) -> String {
        match &self.reference {
            Ok(reference) => reference.to_string(),
            Err(_) if self.written.is_empty() => "without a name".to_owned(),
            Err(_) => quote(&self.written),
        }
    }

    fn node(&self, path: &[&str]) -> Option<NodeId> {
        path.iter().try_fold(self.root, |node, key| self.tree.get(node, key))
    }

    /// A text that is there and not empty.
    pub(super) fn text(&self, path: &[&str]) -> Option<&str> {
        self.node(path).and_then(|node| self.tree.loose_text(node)).map(str::trim).filter(|text| !text.is_empty())
    }

    pub(super) fn has(&self, path: &[&str]) -> bool {
        self.node(path).is_some_and(|node| !matches!(self.tree.kind(node), Kind::Null))
    }

    /// What it is called where it has no title.
    pub(super) fn fallback(&self) -> Option<Label> {
        self.written.parse().ok()
    }

    pub(super) fn slug(&self, notes: &mut Notes) -> Result<Slug, String> {
        let slug = slug(&self.written).ok_or_else(|| {
            format!(
                "No slug can be made of {}: it begins with a digit, or has none of the letters a to z.",
                quote(&self.written)
            )
        })?;
        if slug.as_str() != self.written {
            note(notes, format!("Its slug is `{slug}`: a slug has lower-case letters, digits and single hyphens."));
        }
        Ok(slug)
    }

    pub(super) fn title(&self) -> Option<Label> {
        cut(self.text(&["metadata", "title"])?, 100, false).parse().ok()
    }

    pub(super) fn description(&self) -> Option<Description> {
        cut(self.text(&["metadata", "description"])?, 1_000, true).parse().ok()
    }

    /// A reference to another entity.
    pub(super) fn reference_to(&self, key: &str, kind: &str, notes: &mut Notes) -> Option<EntityRef> {
        let path = ["spec", key];
        let Some(text) = self.text(&path) else {
            if self.has(&path) {
                note(notes, format!("`spec.{key}` is not a text, and is not read."));
            }
            return None;
        };
        self.parsed(text, &format!("spec.{key}"), kind, notes)
    }

    /// References to other entities.
    pub(super) fn references_to(&self, key: &str, kind: &str, notes: &mut Notes) -> Vec<EntityRef> {
        let Some(node) = self.node(&["spec", key]) else { return Vec::new() };
        let Kind::List(items) = self.tree.kind(node) else {
            note(notes, format!("`spec.{key}` is not a list, and is not read."));
            return Vec::new();
        };
        let place = format!("spec.{key}");
        let texts = items.iter().map(|item| self.tree.loose_text(*item).unwrap_or_default());
        texts.filter_map(|text| self.parsed(text.trim(), &place, kind, notes)).collect()
    }

    fn parsed(&self, text: &str, place: &str, kind: &str, notes: &mut Notes) -> Option<EntityRef> {
        let namespace = self.reference.as_ref().map_or(DEFAULT_NAMESPACE, |own| &own.namespace);
        let parsed = EntityRef::parse(text, kind, namespace);
        if let Err(error) = &parsed {
            note(notes, format!("`{place}` has {}: {error}.", quote(text)));
        }
        parsed.ok()
    }

    pub(super) fn lifecycle(&self, notes: &mut Notes) -> Option<Lifecycle> {
        let text = self.text(&["spec", "lifecycle"])?;
        match text.to_ascii_lowercase().as_str() {
            "experimental" => Some(Lifecycle::Experimental),
            "production" => Some(Lifecycle::Production),
            "deprecated" => Some(Lifecycle::Deprecated),
            "retired" => Some(Lifecycle::Retired),
            _ => {
                note(
                    notes,
                    format!(
                        "The lifecycle {} is none of experimental, production, deprecated and retired.",
                        quote(text)
                    ),
                );
                None
            }
        }
    }

    pub(super) fn links(&self, notes: &mut Notes) -> Option<Vec<Link>> {
        let Kind::List(items) = self.tree.kind(self.node(&["metadata", "links"])?) else { return None };
        let mut links = Vec::new();
        for item in items {
            let text = |key: &str| self.tree.get(*item, key).and_then(|node| self.tree.loose_text(node)).map(str::trim);
            let address = text("url").unwrap_or_default();
            let Ok(url) = address.parse::<crate::domain::LinkUrl>() else {
                note(
                    notes,
                    format!("The link to {} is not kept: only plain http and https addresses are.", quote(address)),
                );
                continue;
            };
            let title = text("title").filter(|title| !title.is_empty()).unwrap_or_else(|| url.host());
            let Ok(title) = cut(title, 100, false).parse() else { continue };
            if links.len() == LINKS_MAX {
                note(notes, format!("Only the first {LINKS_MAX} links are kept."));
                break;
            }
            links.push(Link { title, url });
        }
        Some(links)
    }

    /// Where the code is, by the annotations that Backstage's own integrations read.
    pub(super) fn repository(&self, notes: &mut Notes) -> Option<HttpUrl> {
        let annotation = |key: &str| self.text(&["metadata", "annotations", key]);
        if let Some(location) = annotation("backstage.io/source-location") {
            let address = location.strip_prefix("url:").unwrap_or(location);
            if let Ok(url) = repository_of(address).parse() {
                return Some(url);
            }
            note(
                notes,
                format!("The source location {} is no http or https address, and is not kept.", quote(location)),
            );
        }
        for (key, host) in [("github.com/project-slug", "github.com"), ("gitlab.com/project-slug", "gitlab.com")] {
            let url = annotation(key).and_then(|project| format!("https://{host}/{project}").parse().ok());
            if url.is_some() {
                return url;
            }
        }
        None
    }

    /// The document in the file. One that stands elsewhere is named, and not fetched.
    pub(super) fn definition(&self, slug: &Slug, notes: &mut Notes) -> Option<Definition> {
        let node = self.node(&["spec", "definition"])?;
        let upload = format!("upload the document to `/v1/catalog/apis/{slug}/versions`");
        match self.tree.kind(node) {
            Kind::String(text) if !text.trim().is_empty() => {
                let format = self.text(&["spec", "type"]).unwrap_or_default().to_ascii_lowercase();
                return Some(Definition { format, text: text.to_string() });
            }
            Kind::Map(entries) => match entries.iter().find(|entry| entry.key.starts_with('$')) {
                Some(entry) => {
                    let target = self.tree.loose_text(entry.value).unwrap_or_default();
                    let place = quote(&format!("{}: {target}", entry.key));
                    note(
                        notes,
                        format!("The definition is not imported, because nothing is fetched ({place}): {upload}."),
                    );
                }
                None => note(notes, format!("The definition is not imported, because it is not a text: {upload}.")),
            },
            Kind::Null | Kind::String(_) => {}
            _ => note(notes, format!("The definition is not imported, because it is not a text: {upload}.")),
        }
        None
    }
}

/// An address of a folder in a repository, without the branch and what follows it.
fn repository_of(address: &str) -> &str {
    let end = ["/-/tree/", "/-/blob/", "/tree/", "/blob/"].iter().filter_map(|mark| address.find(mark)).min();
    end.and_then(|end| address.get(..end)).unwrap_or(address).trim_end_matches('/')
}

/// A text of at most so many characters, without control characters.
fn cut(text: &str, most: usize, lines: bool) -> String {
    let clean = text.replace("\r\n", "\n");
    let mut clean: String =
        clean.chars().map(|c| if c.is_control() && !(lines && c == '\n') { ' ' } else { c }).collect();
    if let Some((end, _)) = clean.char_indices().nth(most.saturating_sub(1))
        && clean.chars().nth(most).is_some()
    {
        clean.truncate(end);
        clean.push('…');
    }
    clean
}
