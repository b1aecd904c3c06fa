//! Who may call: one of several sets of schemes must be met whole.

use std::collections::{BTreeMap, BTreeSet};

use shared::surface::{Operation, SchemeKind, Surface};

use super::flat::shown;
use super::operations::Subject;
use super::walk::{Spots, Walk};
use crate::rules;

/// A scheme by what callers see of it.
fn identity(kind: &SchemeKind) -> String {
    match kind {
        SchemeKind::ApiKey { place, name } => format!("a key in {place:?} {name}").to_lowercase(),
        SchemeKind::Http { scheme } => format!("HTTP {scheme}"),
        SchemeKind::OAuth2 { .. } => "OAuth 2".to_owned(),
        SchemeKind::OpenId { .. } => "OpenID Connect".to_owned(),
        SchemeKind::MutualTls => "a client certificate".to_owned(),
        SchemeKind::Other { kind } => kind.to_string(),
    }
}

type Alternative = BTreeMap<String, BTreeSet<String>>;

/// The sets of which one must be met. Nobody asks for anything: the empty set is met by all.
fn alternatives(surface: &Surface, operation: &Operation) -> BTreeSet<Alternative> {
    if operation.security.is_empty() {
        return BTreeSet::from([Alternative::new()]);
    }
    let alternatives = operation.security.iter().map(|alternative| {
        let needs = alternative.needs.iter().filter_map(|need| {
            let scheme = surface.schemes.get(need.scheme.0 as usize)?;
            Some((identity(&scheme.kind), need.scopes.iter().map(ToString::to_string).collect()))
        });
        needs.collect()
    });
    alternatives.collect()
}

/// Whether who meets the second meets the first.
fn is_met(asked: &Alternative, met: &Alternative) -> bool {
    asked.iter().all(|(scheme, scopes)| met.get(scheme).is_some_and(|has| scopes.is_subset(has)))
}

fn words(alternative: &Alternative) -> String {
    if alternative.is_empty() {
        return "nothing".to_owned();
    }
    let parts = alternative.iter().map(|(scheme, scopes)| {
        let listed: Vec<&str> = scopes.iter().map(String::as_str).collect();
        if listed.is_empty() { shown(scheme) } else { format!("{} ({})", shown(scheme), shown(&listed.join(", "))) }
    });
    parts.collect::<Vec<_>>().join(" and ")
}

/// Compares who may call two operations.
pub(super) fn compare(walk: &mut Walk<'_>, subject: &Subject, was: &Operation, is: &Operation) {
    let (old, new) = (alternatives(walk.before.surface, was), alternatives(walk.after.surface, is));
    let spots = Spots::of(was.element, is.element);
    for met in old.iter().filter(|met| !new.iter().any(|asked| is_met(asked, met))) {
        let asked: Vec<String> = new.iter().map(words).collect();
        let text = format!("who calls with {} is refused: {} is asked for.", words(met), asked.join(" or "));
        subject.group(walk, &rules::SECURITY_TIGHTENED, &format!("{} {}", words(met), asked.join("|")), &text, spots);
    }
    for asked in new.iter().filter(|asked| !old.iter().any(|known| is_met(known, asked))) {
        let text = format!("it may be called with {}.", words(asked));
        subject.group(walk, &rules::SECURITY_LOOSENED, &words(asked), &text, spots);
    }
    details(walk, subject, was, is);
}

/// Addresses and flows of schemes that callers see as the same.
fn details(walk: &mut Walk<'_>, subject: &Subject, was: &Operation, is: &Operation) {
    let kinds = |surface: &Surface, operation: &Operation| -> BTreeMap<String, (String, shared::surface::ElementId)> {
        let needs = operation.security.iter().flat_map(|alternative| &alternative.needs);
        needs
            .filter_map(|need| surface.schemes.get(need.scheme.0 as usize))
            .map(|scheme| (identity(&scheme.kind), (described(&scheme.kind), scheme.element)))
            .collect()
    };
    let (old, new) = (kinds(walk.before.surface, was), kinds(walk.after.surface, is));
    for (name, (described, element)) in &old {
        if let Some((other, at)) = new.get(name)
            && other != described
        {
            let text = format!("{} is described otherwise.", shown(name));
            subject.group(walk, &rules::SECURITY_DETAIL_CHANGED, name, &text, Spots::of(*element, *at));
        }
    }
}

/// What is not an identity: flows in any order, and where tokens come from.
fn described(kind: &SchemeKind) -> String {
    match kind {
        SchemeKind::OAuth2 { flows } => {
            let mut flows: Vec<String> = flows
                .iter()
                .map(|flow| {
                    let mut scopes: Vec<&str> = flow.scopes.iter().map(|scope| &**scope).collect();
                    scopes.sort_unstable();
                    format!(
                        "{} {} {} {} {}",
                        flow.kind,
                        flow.authorization_url,
                        flow.token_url,
                        flow.refresh_url,
                        scopes.join(" ")
                    )
                })
                .collect();
            flows.sort_unstable();
            flows.join("\n")
        }
        SchemeKind::OpenId { url } => url.to_string(),
        _ => String::new(),
    }
}
