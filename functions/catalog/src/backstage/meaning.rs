//! What the entities of a file become, each in the light of the others.

use std::collections::{HashMap, HashSet};

use super::entity::{Draft, Notes, note};
use super::reference::EntityRef;
use super::{ApiWish, Entity, Meaning, ServiceWish, slug};
use crate::readers::quote;
use shared::slug::Slug;

/// What the file says of its entities together.
struct Relations {
    /// The domain of each system that is in the file; none where it names none.
    domains: HashMap<EntityRef, Option<EntityRef>>,
    /// The component that provides an API: the first one that says so.
    providers: HashMap<EntityRef, (EntityRef, Option<Slug>)>,
    /// The APIs that are in the file.
    apis: HashSet<EntityRef>,
}

pub(super) fn of(drafts: &[Draft<'_>]) -> Vec<Entity> {
    let relations = relations(drafts);
    let mut seen: HashMap<&EntityRef, u32> = HashMap::new();
    let mut entities = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let mut notes = Notes::new();
        let meaning = match &draft.reference {
            Err(reason) => Meaning::Skipped(reason.clone()),
            Ok(reference) => {
                if let Some(line) = seen.get(reference) {
                    Meaning::Skipped(format!("It is in the file twice: the first time in line {line}."))
                } else {
                    seen.insert(reference, draft.line);
                    let meaning = match reference.kind.as_str() {
                        "component" => {
                            service(draft, &relations, &mut notes).map(|wish| Meaning::Service(Box::new(wish)))
                        }
                        "api" => api(draft, reference, &relations, &mut notes).map(|wish| Meaning::Api(Box::new(wish))),
                        "system" | "domain" | "group" => Ok(Meaning::Read),
                        kind => Err(format!("Entities of the kind {} have no counterpart here.", quote(kind))),
                    };
                    meaning.unwrap_or_else(Meaning::Skipped)
                }
            }
        };
        entities.push(Entity { name: draft.name(), line: draft.line, meaning, notes });
    }
    entities
}

fn relations(drafts: &[Draft<'_>]) -> Relations {
    let mut relations = Relations { domains: HashMap::new(), providers: HashMap::new(), apis: HashSet::new() };
    // What is wrong with a reference is told where its entity is read.
    let mut unheard = Notes::new();
    for draft in drafts {
        let Ok(reference) = &draft.reference else { continue };
        match reference.kind.as_str() {
            "system" => {
                let domain = draft.reference_to("domain", "domain", &mut unheard);
                relations.domains.entry(reference.clone()).or_insert(domain);
            }
            "api" => {
                relations.apis.insert(reference.clone());
            }
            "component" => {
                for api in draft.references_to("providesApis", "api", &mut unheard) {
                    let provider = (reference.clone(), slug(&draft.written));
                    relations.providers.entry(api).or_insert(provider);
                }
            }
            _ => {}
        }
    }
    relations
}

fn service(draft: &Draft<'_>, relations: &Relations, notes: &mut Notes) -> Result<ServiceWish, String> {
    let slug_of_service = draft.slug(notes)?;
    let mut elsewhere = Vec::new();
    for api in draft.references_to("providesApis", "api", notes) {
        let first = relations.providers.get(&api).map(|(component, _)| component);
        if first != draft.reference.as_ref().ok() {
            if let Some(first) = first {
                note(notes, format!("{api} is provided by {first} already: an API has one service."));
            }
        } else if !relations.apis.contains(&api) {
            elsewhere.extend(slug(&api.name));
        }
    }
    if draft.has(&["spec", "consumesApis"]) {
        note(notes, "`consumesApis` is not kept: who calls which API comes from its traffic.".to_owned());
    }
    let owner = draft.reference_to("owner", "group", notes).and_then(|owner| owner.short("group").parse().ok());
    Ok(ServiceWish {
        fallback: draft.fallback().ok_or("It has no `metadata.name`.")?,
        name: draft.title(),
        description: draft.description(),
        owner,
        domain: domain(draft, relations, notes).and_then(|domain| domain.short("domain").parse().ok()),
        repository: draft.repository(notes),
        links: draft.links(notes),
        lifecycle: draft.lifecycle(notes),
        elsewhere,
        slug: slug_of_service,
    })
}

/// The domain of the system that a component is part of.
fn domain(draft: &Draft<'_>, relations: &Relations, notes: &mut Notes) -> Option<EntityRef> {
    let system = draft.reference_to("system", "system", notes)?;
    if let Some(domain) = relations.domains.get(&system) {
        domain.clone()
    } else {
        note(notes, format!("{system} is not in the file, so its domain is not known."));
        None
    }
}

fn api(draft: &Draft<'_>, reference: &EntityRef, relations: &Relations, notes: &mut Notes) -> Result<ApiWish, String> {
    let slug = draft.slug(notes)?;
    let service = relations.providers.get(reference).and_then(|(_, service)| service.clone());
    if service.is_none() && draft.has(&["spec", "owner"]) {
        note(notes, "No component of the file provides it: its owner is not kept, because an API's owner is that of its service.".to_owned());
    }
    Ok(ApiWish {
        fallback: draft.fallback().ok_or("It has no `metadata.name`.")?,
        name: draft.title(),
        service,
        definition: draft.definition(&slug, notes),
        slug,
    })
}
