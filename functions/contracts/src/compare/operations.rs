//! Operations compared: what goes in, what comes out, who may call.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashMap;
use shared::surface::{Content, ElementId, Format, Input, Operation, OperationKind, Outcome, Place, Surface};

use super::flat::{Kind, shown};
use super::found::Found;
use super::graphql::input_changes;
use super::side::{Side, is_required};
use super::tables;
use super::walk::{From, Spots, Walk, Way};
use crate::rules::{self, Rule};

/// The operation that findings are about.
pub(super) struct Subject {
    /// What is called, whatever its id: the same before and after.
    key: String,
    /// Its id, the later one where there is one.
    id: String,
    /// Its number.
    number: u32,
}

impl Subject {
    /// Notes a change of the operation, or of what it shares with others: then it is one finding for all of them.
    fn note(&self, walk: &mut Walk<'_>, rule: &'static Rule, part: &str, detail: &str, text: &str, spots: Spots) {
        let shared =
            shared_place(walk.after.surface, spots.after).or_else(|| shared_place(walk.before.surface, spots.before));
        let key = shared.as_deref().unwrap_or(&self.key);
        let part = if part.is_empty() { String::new() } else { format!(" {part}") };
        self.add(
            walk,
            rule,
            format!("{key}{part}\n{detail}"),
            format!("`{}`{}: {text}", shown(&self.key), shown(&part)),
            spots,
        );
    }

    /// Notes a change that many operations have at once, as one finding for all of which it is the same.
    pub(super) fn group(&self, walk: &mut Walk<'_>, rule: &'static Rule, detail: &str, text: &str, spots: Spots) {
        let mut text = text.to_owned();
        if let Some(first) = text.get(..1).map(str::to_uppercase) {
            text.replace_range(..1, &first);
        }
        self.add(walk, rule, format!("*\n{detail}"), text, spots);
    }

    fn add(&self, walk: &mut Walk<'_>, rule: &'static Rule, subject: String, summary: String, spots: Spots) {
        walk.findings.add(Found {
            rule,
            severity: tables::severity(walk.format, rule),
            summary,
            subject,
            operations: BTreeSet::from([self.id.clone()]),
            before: spots.before,
            after: spots.after,
        });
    }
}

/// The place of a part that several operations may share: a component of `OpenAPI`.
fn shared_place(surface: &Surface, element: Option<ElementId>) -> Option<String> {
    let path = surface.path(element?);
    (path.starts_with("/components/") || path.starts_with("/parameters/") || path.starts_with("/responses/"))
        .then_some(path)
}

/// A path without the names of its parameters, and those names.
fn template(path: &str) -> (String, Vec<&str>) {
    let (mut plain, mut names) = (String::new(), Vec::new());
    let mut rest = path;
    while let Some((head, tail)) = rest.split_once('{') {
        let Some((name, tail)) = tail.split_once('}') else { break };
        plain.push_str(head);
        plain.push_str("{}");
        names.push(name);
        rest = tail;
    }
    plain.push_str(rest);
    (plain, names)
}

/// What callers call, without what they do not see.
fn key(kind: &OperationKind) -> String {
    match kind {
        OperationKind::Http { method, path } => format!("{method} {}", template(path).0),
        OperationKind::Webhook { method, name } => format!("webhook {method} {name}"),
        OperationKind::Callback { of, name, expression, method } => {
            format!("callback {of} {name} {method} {expression}")
        }
        OperationKind::Field { root, name } => format!("{root:?}.{name}"),
        OperationKind::Rpc { service, method, .. } => format!("{service}/{method}"),
        OperationKind::Channel { address, action } => format!("{action:?} {}", template(address).0),
        OperationKind::Soap { interface, name, .. } => format!("{interface} {name}"),
    }
}

/// The operations of a surface by what callers call, with their ids.
pub fn operation_keys(surface: &Surface) -> impl Iterator<Item = (String, &str)> {
    surface.operations.iter().map(|operation| (key(&operation.kind), &*operation.id))
}

/// What an operation is called for people.
fn words(kind: &OperationKind) -> String {
    match kind {
        OperationKind::Http { method, path } => format!("{method} {path}"),
        kind => key(kind),
    }
}

/// Matches the operations of two surfaces, and compares them.
pub(super) fn compare(walk: &mut Walk<'_>) {
    let (before, after) = (walk.before.surface, walk.after.surface);
    let mut new: BTreeMap<String, Vec<&Operation>> = BTreeMap::new();
    for operation in &after.operations {
        new.entry(key(&operation.kind)).or_default().push(operation);
    }
    let mut old: Vec<(String, &Operation)> =
        before.operations.iter().map(|operation| (key(&operation.kind), operation)).collect();
    // In the order of their keys, so that the order of a document does not matter. What is written the same goes first where several match.
    let is_exact = |key: &String, operation: &Operation| {
        new.get(key).is_some_and(|others| others.iter().any(|other| other.kind == operation.kind))
    };
    old.sort_by_cached_key(|(key, operation)| (key.clone(), !is_exact(key, operation), words(&operation.kind)));
    let mut gone = Vec::new();
    let mut matched = Vec::new();
    for (key, operation) in old {
        let others = new.entry(key.clone()).or_default();
        let place = others.iter().position(|other| other.kind == operation.kind).or(if others.is_empty() {
            None
        } else {
            Some(0)
        });
        match place {
            Some(place) => matched.push((operation, others.remove(place))),
            None => gone.push(operation),
        }
    }
    for operation in gone {
        let subject = subject(walk, operation, operation);
        let spots = Spots::before(operation.element);
        let text = if operation.deprecated { "it is gone; it was deprecated." } else { "it is gone." };
        subject.note(walk, &rules::OPERATION_REMOVED, "", "", text, spots);
    }
    for operation in new.into_values().flatten() {
        let subject = subject(walk, operation, operation);
        subject.note(walk, &rules::OPERATION_ADDED, "", "", "it is new.", Spots::after(operation.element));
    }
    for (was, is) in matched {
        let subject = subject(walk, was, is);
        both(walk, &subject, was, is);
    }
}

fn subject(walk: &mut Walk<'_>, was: &Operation, is: &Operation) -> Subject {
    Subject { key: words(&was.kind), id: is.id.to_string(), number: walk.operation(&is.id) }
}

fn both(walk: &mut Walk<'_>, subject: &Subject, was: &Operation, is: &Operation) {
    let spots = Spots::of(was.element, is.element);
    if was.deprecated != is.deprecated {
        let (rule, text) = if is.deprecated {
            (&rules::OPERATION_DEPRECATED, "it is deprecated.")
        } else {
            (&rules::OPERATION_UNDEPRECATED, "it is no longer deprecated.")
        };
        subject.note(walk, rule, "", "", text, spots);
    }
    if was.id != is.id && words(&was.kind) == words(&is.kind) {
        let text = format!("its id is `{}`, it was `{}`.", shown(&is.id), shown(&was.id));
        subject.note(walk, &rules::OPERATION_RENAMED, "", &is.id, &text, spots);
    }
    // What is no longer deprecated has no end.
    let details: &[&str] = if is.deprecated { &[] } else { &["openapi.sunset"] };
    facets(walk, subject, "", (was.element, is.element), details);
    inputs(walk, subject, was, is);
    outcomes(walk, subject, was, is);
    super::security::compare(walk, subject, was, is);
    servers(walk, subject, was, is);
}

/// Whether all that fits a parameter is one value, which is written the same exploded or not.
fn is_one_value(side: &mut Side<'_>, input: &Input) -> bool {
    input.contents.iter().all(|content| {
        let set = side.of(content.ty);
        let Some(alternatives) = side.alternatives(set) else { return false };
        alternatives.iter().all(|one| {
            let flat = side.flat(one.set);
            !flat.implied && matches!(flat.kind, Kind::Scalar(_) | Kind::Enum { .. } | Kind::Null)
        })
    })
}

/// Compares the facets of a part. Those of `details` mean nothing here.
fn facets(walk: &mut Walk<'_>, subject: &Subject, part: &str, elements: (ElementId, ElementId), details: &[&str]) {
    let (before, after) = (walk.before.surface, walk.after.surface);
    let (old, new) = (tables::of(before, elements.0), tables::of(after, elements.1));
    for key in tables::changed(&old, &new) {
        let (was, is) = (old.get(key), new.get(key));
        let text = format!("`{}` is {}.", shown(key), tables::told(was, is));
        let rule = match key {
            key if details.contains(&key) => &rules::DETAIL_CHANGED,
            "openapi.style" | "openapi.explode" if part != "response" => &rules::REQUEST_PARAMETER_ENCODING_CHANGED,
            key => tables::rule(key, was.copied(), is.copied()),
        };
        subject.note(walk, rule, part, key, &text, Spots::of(elements.0, elements.1));
    }
}

/// Where an input goes and what it is called there; names of headers have no case, and those of a path are known by their place.
fn input_key(input: &Input, path: &[&str]) -> (Place, String) {
    let name = match input.place {
        Place::Header => input.name.to_lowercase(),
        Place::Path => path
            .iter()
            .position(|name| **name == *input.name)
            .map_or_else(|| input.name.to_string(), |at| format!("{{{at}}}")),
        _ => input.name.to_string(),
    };
    (input.place, name)
}

fn part(input: &Input) -> String {
    match input.place {
        Place::Body => "request body".to_owned(),
        Place::Message => format!("message {}", input.name).trim_end().to_owned(),
        Place::QueryString => "query".to_owned(),
        Place::Argument => format!("({}:)", input.name),
        place => format!("{place:?} `{}`", input.name).to_lowercase().replace(&input.name.to_lowercase(), &input.name),
    }
}

/// The names of the parameters in an operation's path.
fn path_names(kind: &OperationKind) -> Vec<&str> {
    match kind {
        OperationKind::Http { path, .. } | OperationKind::Channel { address: path, .. } => template(path).1,
        _ => Vec::new(),
    }
}

fn inputs(walk: &mut Walk<'_>, subject: &Subject, was: &Operation, is: &Operation) {
    let (old_names, new_names) = (path_names(&was.kind), path_names(&is.kind));
    let mut new: BTreeMap<(Place, String), &Input> =
        is.inputs.iter().map(|input| (input_key(input, &new_names), input)).collect();
    let sender = was.kind.is_sent_by_provider();
    for input in &was.inputs {
        match new.remove(&input_key(input, &old_names)) {
            Some(other) => input_both(walk, subject, sender, input, other),
            None => input_gone(walk, subject, sender, input),
        }
    }
    for input in new.into_values() {
        input_added(walk, subject, sender, input);
    }
}

fn input_gone(walk: &mut Walk<'_>, subject: &Subject, sender: bool, input: &Input) {
    let rule = match (sender, input.place) {
        (true, _) => &rules::RESPONSE_FIELD_REMOVED,
        (false, Place::Body | Place::Message) => &rules::REQUEST_BODY_REMOVED,
        _ => &rules::REQUEST_PARAMETER_REMOVED,
    };
    subject.note(walk, rule, &part(input), "", "it is gone.", Spots::before(input.element));
}

fn input_added(walk: &mut Walk<'_>, subject: &Subject, sender: bool, input: &Input) {
    let required = is_required(input.presence);
    let (rule, text) = match (sender, input.place, required) {
        (true, ..) => (&rules::RESPONSE_FIELD_ADDED, "it is new."),
        (false, Place::Body | Place::Message, true) => {
            (&rules::REQUEST_BODY_REQUIRED_ADDED, "it is new, and must be sent.")
        }
        (false, Place::Body | Place::Message, false) => (&rules::REQUEST_BODY_ADDED, "it is new, and may be left out."),
        (false, _, true) => (&rules::REQUEST_PARAMETER_REQUIRED_ADDED, "it is new, and must be sent."),
        (false, _, false) => (&rules::REQUEST_PARAMETER_ADDED, "it is new, and may be left out."),
    };
    subject.note(walk, rule, &part(input), "", text, Spots::after(input.element));
}

fn input_both(walk: &mut Walk<'_>, subject: &Subject, sender: bool, was: &Input, is: &Input) {
    let (part, spots) = (part(was), Spots::of(was.element, is.element));
    if sender {
        match (is_required(was.presence), is_required(is.presence)) {
            (true, false) => {
                subject.note(walk, &rules::RESPONSE_FIELD_BECAME_OPTIONAL, &part, "", "it may be missing.", spots);
            }
            (false, true) => {
                subject.note(walk, &rules::RESPONSE_FIELD_BECAME_REQUIRED, &part, "", "it is always there.", spots);
            }
            _ => {}
        }
    } else {
        for (rule, detail, text) in input_changes(walk, was, is) {
            subject.note(walk, rule, &part, &detail, &text, spots);
        }
    }
    let is_one_value = is_one_value(&mut walk.before, was) && is_one_value(&mut walk.after, is);
    let details = [("openapi.explode", is_one_value), ("openapi.sunset", !is.deprecated)];
    let details: Vec<&str> = details.into_iter().filter(|(_, is_detail)| *is_detail).map(|(key, _)| key).collect();
    facets(walk, subject, &part, (was.element, is.element), &details);
    contents(
        walk,
        subject,
        if sender { Way::Response } else { Way::Request },
        &part,
        (&was.contents, &is.contents),
        spots,
    );
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// Whether a range of media types has one.
fn has(range: &str, media_type: &str) -> bool {
    let (range, media_type) = (essence(range), essence(media_type));
    range == media_type
        || range == "*/*"
        || range.strip_suffix("/*").is_some_and(|kind| media_type.split('/').next() == Some(kind))
}

/// The way of a value of this media type.
fn way_of(media_type: &str, way: Way, is_parameter: bool) -> Way {
    let is_text = if media_type.is_empty() {
        is_parameter
    } else {
        !["json", "xml", "*/*"].iter().any(|kind| media_type.contains(kind))
    };
    if is_text && way == Way::Request { Way::Text } else { way }
}

fn contents(
    walk: &mut Walk<'_>,
    subject: &Subject,
    way: Way,
    part: &str,
    (was, is): (&[Content], &[Content]),
    spots: Spots,
) {
    let is_parameter =
        !part.starts_with("request body") && !part.starts_with("response") && !part.starts_with("message");
    let is_parameter = is_parameter && walk.format != Format::GraphQl;
    let matching = |one: &Content, others: &'_ [Content]| -> Option<usize> {
        others
            .iter()
            .position(|other| other.media_type == one.media_type)
            .or_else(|| others.iter().position(|other| essence(&other.media_type) == essence(&one.media_type)))
            .or_else(|| others.iter().position(|other| has(&other.media_type, &one.media_type)))
    };
    for old in was {
        let place = Spots::of(old.element, ElementId::NONE);
        if let Some(new) = matching(old, is).and_then(|place| is.get(place)) {
            let here = Spots::of(old.element, new.element);
            let here = Spots { before: here.before.or(spots.before), after: here.after.or(spots.after) };
            let way = way_of(&old.media_type, way, is_parameter);
            let root = format!("{} {part}", subject.key);
            let sets = (walk.before.of(old.ty), walk.after.of(new.ty));
            walk.compare(sets, way, From::Operation(subject.number), (&root, ""), here);
            if old.item.is_some() || new.item.is_some() {
                let sets = (
                    old.item.map_or(Side::ANY, |item| walk.before.of(item)),
                    new.item.map_or(Side::ANY, |item| walk.after.of(item)),
                );
                walk.compare(sets, way, From::Operation(subject.number), (&root, "[]"), here);
            }
            facets(walk, subject, part, (old.element, new.element), &[]);
        } else {
            let rule = way.pick(&rules::REQUEST_MEDIA_TYPE_REMOVED, &rules::RESPONSE_MEDIA_TYPE_REMOVED);
            let text = format!("`{}` is gone.", shown(&old.media_type));
            subject.note(walk, rule, part, &old.media_type, &text, place);
        }
    }
    for new in is.iter().filter(|new| {
        !was.iter().any(|old| has(&old.media_type, &new.media_type) || has(&new.media_type, &old.media_type))
    }) {
        let rule = way.pick(&rules::REQUEST_MEDIA_TYPE_ADDED, &rules::RESPONSE_MEDIA_TYPE_ADDED);
        let text = format!("there is `{}`.", shown(&new.media_type));
        subject.note(walk, rule, part, &new.media_type, &text, Spots::after(new.element));
    }
}

/// Whether a status says that the call was served.
fn is_success(status: &str) -> bool {
    status.starts_with(['2', '3']) && status.len() == 3 || status == "ok"
}

fn outcomes(walk: &mut Walk<'_>, subject: &Subject, was: &Operation, is: &Operation) {
    let sender = was.kind.is_sent_by_provider();
    let new: HashMap<&str, &Outcome> = is.outcomes.iter().map(|outcome| (&*outcome.status, outcome)).collect();
    let mut answered = BTreeSet::new();
    for old in &was.outcomes {
        let range = old.status.get(..1).map(|first| format!("{first}XX")).unwrap_or_default();
        let found = new.get(&*old.status).or_else(|| new.get(&*range));
        if let Some(found) = found {
            answered.insert(&*found.status);
            outcome(walk, subject, sender, old, found);
            continue;
        }
        let spots = Spots::before(old.element);
        let (rule, text) = if is_success(&old.status) && !sender {
            (&rules::RESPONSE_SUCCESS_REMOVED, format!("the status `{}` is gone.", shown(&old.status)))
        } else {
            (&rules::RESPONSE_STATUS_REMOVED, format!("the status `{}` is gone.", shown(&old.status)))
        };
        subject.note(walk, rule, "", &old.status, &text, spots);
    }
    for new in is.outcomes.iter().filter(|new| !answered.contains(&*new.status)) {
        let text = format!("there is the status `{}`.", shown(&new.status));
        subject.note(walk, &rules::RESPONSE_STATUS_ADDED, "", &new.status, &text, Spots::after(new.element));
    }
}

fn outcome(walk: &mut Walk<'_>, subject: &Subject, sender: bool, was: &Outcome, is: &Outcome) {
    let spots = Spots::of(was.element, is.element);
    let part = if was.status.as_ref() == "ok" { "response".to_owned() } else { format!("response {}", was.status) };
    facets(walk, subject, "response", (was.element, is.element), &[]);
    let way = if sender { Way::Request } else { Way::Response };
    match (was.contents.is_empty(), is.contents.is_empty()) {
        (true, false) if !sender => {
            subject.note(walk, &rules::RESPONSE_BODY_ADDED, &part, "", "it has a body.", spots);
        }
        (false, true) if !sender => {
            subject.note(walk, &rules::RESPONSE_BODY_REMOVED, &part, "", "it has no body any more.", spots);
        }
        _ => contents(walk, subject, way, &part, (&was.contents, &is.contents), spots),
    }
    let mut new: BTreeMap<String, &Input> =
        is.headers.iter().map(|header| (header.name.to_lowercase(), header)).collect();
    for old in &was.headers {
        let part = format!("{part} header `{}`", old.name);
        let Some(header) = new.remove(&old.name.to_lowercase()) else {
            subject.note(walk, &rules::RESPONSE_HEADER_REMOVED, &part, "", "it is gone.", Spots::before(old.element));
            continue;
        };
        let spots = Spots::of(old.element, header.element);
        match (is_required(old.presence), is_required(header.presence)) {
            (true, false) => {
                subject.note(walk, &rules::RESPONSE_HEADER_BECAME_OPTIONAL, &part, "", "it may be missing.", spots);
            }
            (false, true) => {
                subject.note(walk, &rules::RESPONSE_HEADER_BECAME_REQUIRED, &part, "", "it is always there.", spots);
            }
            _ => {}
        }
        contents(walk, subject, Way::Response, &part, (&old.contents, &header.contents), spots);
    }
    for header in new.into_values() {
        let part = format!("{part} header `{}`", header.name);
        subject.note(walk, &rules::RESPONSE_HEADER_ADDED, &part, "", "it is new.", Spots::after(header.element));
    }
}

fn servers(walk: &mut Walk<'_>, subject: &Subject, was: &Operation, is: &Operation) {
    let listed = |surface: &Surface, operation: &Operation| -> BTreeSet<String> {
        let servers = operation.servers.iter().filter_map(|id| surface.servers.get(id.0 as usize));
        servers.map(|server| server.url.to_string()).collect()
    };
    let (old, new) = (listed(walk.before.surface, was), listed(walk.after.surface, is));
    if old != new {
        let words = |urls: &BTreeSet<String>| {
            let urls: Vec<String> = urls.iter().map(|url| shown(url)).collect();
            if urls.is_empty() { "no address".to_owned() } else { urls.join(", ") }
        };
        let text = format!("it is served at {}, it was at {}.", words(&new), words(&old));
        subject.group(walk, &rules::SERVERS_CHANGED, &text, &text, Spots::of(was.element, is.element));
    }
}
