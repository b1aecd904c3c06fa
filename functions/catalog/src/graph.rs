//! The graph of an organization's services: which APIs they offer, and which they call. As JSON, and as a flowchart of Mermaid
//! (<https://mermaid.js.org/syntax/flowchart.html>).
//!
//! What an organization has is the catalog's own; who calls what comes from `usage`. Of another organization it shows what its own
//! organization knows anyway: as a provider the subscribers' apps, as a consumer the providers' APIs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use shared::id::{ApiId, AppId, ServiceId};
use shared::slug::Slug;
use shared::text::Label;
use shared::time::Time;
use utoipa::ToSchema;

use crate::domain::{Api, Lifecycle, Service};
use crate::summary::plain;

/// Services that are shown.
pub const SERVICES_MAX: usize = 1_000;
/// APIs of one's own that are shown.
pub const APIS_MAX: usize = 2_000;
/// Calls that are shown: those with the most.
pub const CALLS_MAX: usize = 5_000;
/// Lines of a diagram: Mermaid itself draws no more edges.
const EDGES_MAX: usize = 500;
/// Characters of a name in a diagram.
const NAME_MAX: usize = 60;

/// Services, the APIs that they offer, and who calls which.
#[derive(Debug, Serialize, ToSchema)]
pub struct Graph {
    /// The organization's services.
    pub services: Vec<GraphService>,
    /// The organization's APIs.
    pub apis: Vec<GraphApi>,
    /// Who called which API in the window, those with the most calls first.
    pub calls: Vec<GraphCall>,
    /// The slugs of the APIs that nobody owns: no service offers them, or one without an owner.
    pub without_owner: Vec<Slug>,
    /// Whether all of it is here.
    pub complete: bool,
    /// What is not here, and why, where it is not complete.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// A service of the graph.
#[derive(Debug, Serialize, ToSchema)]
pub struct GraphService {
    /// Its id.
    pub id: ServiceId,
    /// Its slug.
    pub slug: Slug,
    /// Its name for people.
    pub name: Label,
    /// The team that owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Label>,
    /// Its domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Label>,
    /// How far it is in its life.
    pub lifecycle: Lifecycle,
}

/// An API of the graph.
#[derive(Debug, Serialize, ToSchema)]
pub struct GraphApi {
    /// Its id.
    pub id: ApiId,
    /// Its slug.
    pub slug: Slug,
    /// Its name for people.
    pub name: Label,
    /// The slug of the service that offers it; `null` when none does.
    pub service: Option<Slug>,
}

/// Calls of an API by a service, or by an app that is no service of one's own.
#[derive(Debug, Serialize, ToSchema)]
pub struct GraphCall {
    /// The service that calls, by slug; absent for an app that is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Slug>,
    /// The app that calls; absent for a service, which may have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<AppId>,
    /// The app's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_name: Option<String>,
    /// The slug of the organization that the app belongs to, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<Slug>,
    /// The slug of the organization that offers the API, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Slug>,
    /// The API.
    pub api: ApiId,
    /// The API's slug.
    pub api_slug: String,
    /// Calls that the door admitted.
    pub calls: u64,
    /// The UTC hour of the last call.
    pub last_called_at: Time,
}

/// What `usage` says of a subscription (`GET /v1/usage/calls`).
#[derive(Debug, Deserialize)]
pub struct Subscribed {
    organization: Slug,
    provider: Slug,
    app: AppId,
    app_name: String,
    #[serde(default)]
    service: Option<Slug>,
    apis: Vec<Called>,
}

#[derive(Debug, Deserialize)]
struct Called {
    #[serde(default)]
    api: Option<ApiId>,
    #[serde(default)]
    slug: Option<String>,
    calls: u64,
    last_seen: Time,
}

/// Who calls: all apps that are one service are one caller.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Calling {
    Service(Slug),
    App(AppId),
}

/// The slugs of the services that somebody owns.
pub fn owned(services: &[Service]) -> BTreeSet<&Slug> {
    services.iter().filter(|service| service.owner.is_some()).map(|service| &service.slug).collect()
}

/// Whether nobody owns an API: no service offers it, or one that is not among those that somebody owns.
#[must_use]
pub fn is_without_owner(owned: &BTreeSet<&Slug>, api: &Api) -> bool {
    api.service.as_ref().is_none_or(|service| !owned.contains(&service.slug))
}

/// Puts the graph together. `missing` says what is known to be missing already.
#[must_use]
pub fn assemble(
    own: &Slug,
    services: &[Service],
    apis: &[Api],
    subscribed: &[Subscribed],
    missing: Vec<String>,
) -> Graph {
    let mut missing = missing;
    let owned = owned(services);
    let without_owner = apis.iter().filter(|api| is_without_owner(&owned, api)).map(|api| api.slug.clone()).collect();
    // A service that is gone is none; whether one is gone is known where all of them are.
    let slugs: BTreeSet<&Slug> = services.iter().map(|service| &service.slug).collect();
    let is_there = |slug: &Slug| slugs.contains(slug) || services.len() >= SERVICES_MAX;
    let mut calls = calls(own, subscribed, is_there, &mut missing);
    let (services, apis) = (services.iter().map(service).collect(), apis.iter().map(api).collect());
    if calls.len() > CALLS_MAX {
        missing.push(format!("Only the {CALLS_MAX} callers with the most calls are shown, of {}.", calls.len()));
        calls.truncate(CALLS_MAX);
    }
    Graph { services, apis, calls, without_owner, complete: missing.is_empty(), missing }
}

fn service(service: &Service) -> GraphService {
    GraphService {
        id: service.id,
        slug: service.slug.clone(),
        name: service.name.clone(),
        owner: service.owner.clone(),
        domain: service.domain.clone(),
        lifecycle: service.lifecycle,
    }
}

fn api(api: &Api) -> GraphApi {
    let service = api.service.as_ref().map(|service| service.slug.clone());
    GraphApi { id: api.id, slug: api.slug.clone(), name: api.name.clone(), service }
}

fn calls(
    own: &Slug,
    subscribed: &[Subscribed],
    is_there: impl Fn(&Slug) -> bool,
    missing: &mut Vec<String>,
) -> Vec<GraphCall> {
    let mut sums: BTreeMap<(Calling, ApiId), GraphCall> = BTreeMap::new();
    let mut nameless = 0_u32;
    for from in subscribed {
        let other = |slug: &Slug| Some(slug).filter(|slug| *slug != own).cloned();
        let caller = match &from.service {
            Some(service) if from.organization == *own && is_there(service) => Calling::Service(service.clone()),
            _ => Calling::App(from.app),
        };
        for called in &from.apis {
            let (Some(api), Some(slug)) = (called.api, &called.slug) else {
                nameless += 1;
                continue;
            };
            let sum = sums.entry((caller.clone(), api)).or_insert_with(|| {
                let (service, app) = match &caller {
                    Calling::Service(service) => (Some(service.clone()), None),
                    Calling::App(app) => (None, Some(*app)),
                };
                GraphCall {
                    service,
                    app,
                    app_name: app.map(|_| from.app_name.clone()),
                    organization: other(&from.organization),
                    provider: other(&from.provider),
                    api,
                    api_slug: slug.clone(),
                    calls: 0,
                    last_called_at: called.last_seen,
                }
            });
            sum.calls = sum.calls.saturating_add(called.calls);
            sum.last_called_at = sum.last_called_at.max(called.last_seen);
        }
    }
    if nameless > 0 {
        missing.push(format!(
            "Calls of {nameless} APIs whose names have not yet arrived at `usage` are left out: ask again in a minute."
        ));
    }
    let mut calls: Vec<GraphCall> = sums.into_values().collect();
    calls.sort_by_key(|call| std::cmp::Reverse(call.calls));
    calls
}

/// The nodes of a diagram: each of them is named once, and numbered, so that no foreign text is ever a name in it.
#[derive(Default)]
struct Nodes {
    known: HashMap<String, usize>,
    out: String,
}

impl Nodes {
    /// The name of the node with this key; it is drawn when it is first asked for.
    fn node(&mut self, key: String, (open, close): (&str, &str), text: &str) -> String {
        let next = self.known.len();
        let number = *self.known.entry(key).or_insert(next);
        if number == next {
            // Writing to a `String` cannot fail.
            let _ = writeln!(self.out, "  n{number}{open}\"{}\"{close}", label(text));
        }
        format!("n{number}")
    }
}

const SERVICE: (&str, &str) = ("[", "]");
const API: (&str, &str) = ("([", "])");
const APP: (&str, &str) = ("{{", "}}");

/// The graph as a flowchart: services, the APIs that they offer (`offers`), and who calls them (how often).
#[must_use]
pub fn mermaid(graph: &Graph) -> String {
    let mut nodes = Nodes::default();
    let mut edges: Vec<String> = Vec::new();
    for service in &graph.services {
        let text = match &service.owner {
            Some(owner) => format!("{} - {owner}", service.name),
            None => service.name.to_string(),
        };
        nodes.node(format!("s/{}", service.slug), SERVICE, &text);
    }
    for api in &graph.apis {
        let node = nodes.node(format!("a/{}", api.id), API, api.name.as_str());
        if let Some(service) = &api.service {
            let from = nodes.node(format!("s/{service}"), SERVICE, service.as_str());
            edges.push(format!("{from} -->|offers| {node}"));
        }
    }
    for call in &graph.calls {
        let from = match (&call.service, call.app) {
            (Some(service), _) => nodes.node(format!("s/{service}"), SERVICE, service.as_str()),
            (None, Some(app)) => {
                let name = call.app_name.as_deref().unwrap_or_default();
                let text = match &call.organization {
                    Some(organization) => format!("{organization}: {name}"),
                    None => name.to_owned(),
                };
                nodes.node(format!("p/{app}"), APP, &text)
            }
            (None, None) => continue,
        };
        let text = match &call.provider {
            Some(provider) => format!("{provider}: {}", call.api_slug),
            None => call.api_slug.clone(),
        };
        let to = nodes.node(format!("a/{}", call.api), API, &text);
        edges.push(format!("{from} -.->|{} calls| {to}", call.calls));
    }
    let mut out = format!("flowchart LR\n{}", nodes.out);
    for edge in edges.iter().take(EDGES_MAX) {
        let _ = writeln!(out, "  {edge}");
    }
    if edges.len() > EDGES_MAX {
        let _ = writeln!(out, "  %% and {} more lines", edges.len() - EDGES_MAX);
    }
    if !graph.complete {
        out.push_str("  %% not complete: the JSON says what is missing\n");
    }
    out
}

/// A foreign text as a label: nothing of it means anything to Mermaid or to a browser.
fn label(text: &str) -> String {
    let text: String = plain(text).chars().map(|c| if "[]&|".contains(c) { ' ' } else { c }).take(NAME_MAX).collect();
    match text.trim() {
        "" => "-".to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
