//! A surface for people: as plain text, and its types as a diagram of Mermaid (<https://mermaid.js.org/syntax/classDiagram.html>).

use std::collections::HashMap;
use std::fmt::Write as _;

use shared::surface::{Action, Content, OperationKind, Place, Presence, ScalarKind, Shape, Surface, TypeId};

/// Types and operations that are shown: more is no diagram and no page.
const SHOWN_MAX: usize = 500;
/// Characters of a type, written out.
const TYPE_MAX: usize = 60;
/// Types within types that are written out.
const DEPTH_MAX: u32 = 4;

/// The surface in a few lines for each operation and type.
#[must_use]
pub fn text(surface: &Surface) -> String {
    let mut out = format!("{} {}\n", surface.title.0, surface.api_version.0).trim_start().to_owned();
    line(&mut out, &format!("{:?} {}, {}", surface.format, surface.format_version.0, surface.digest));
    line(&mut out, &format!("\nOperations: {}", surface.operations.len()));
    for operation in surface.operations.iter().take(SHOWN_MAX) {
        let deprecated = if operation.deprecated { " (deprecated)" } else { "" };
        line(&mut out, &format!("  {}{deprecated}  {}", called(&operation.kind), operation.summary.0));
        for input in &operation.inputs {
            let needed = if input.presence == Presence::Required { "" } else { "?" };
            line(
                &mut out,
                &format!(
                    "    in  {} {}{needed}: {}",
                    place(input.place),
                    input.name,
                    contents(surface, &input.contents)
                ),
            );
        }
        for outcome in &operation.outcomes {
            line(&mut out, &format!("    out {}: {}", outcome.status, contents(surface, &outcome.contents)));
        }
    }
    more(&mut out, surface.operations.len());
    let named: Vec<_> = (0..).zip(&surface.types).filter(|(_, ty)| !ty.name.text().is_empty()).collect();
    line(&mut out, &format!("\nTypes: {}", named.len()));
    for (_, ty) in named.iter().take(SHOWN_MAX) {
        line(&mut out, &format!("  {}: {}", ty.name.text(), shape(surface, &ty.shape, 0)));
        if let Shape::Record(record) = &ty.shape {
            for field in &record.fields {
                let needed = if field.presence == Presence::Required { "" } else { "?" };
                line(&mut out, &format!("    {}{needed}: {}", field.name, named_type(surface, field.ty, 0)));
            }
        }
    }
    more(&mut out, named.len());
    out
}

fn line(out: &mut String, text: &str) {
    let start = out.len();
    out.extend(text.trim_end().chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }));
    out.truncate(out.trim_end().len().max(start));
    out.push('\n');
}

fn more(out: &mut String, count: usize) {
    if count > SHOWN_MAX {
        line(out, &format!("  and {} more", count - SHOWN_MAX));
    }
}

fn called(kind: &OperationKind) -> String {
    match kind {
        OperationKind::Http { method, path } => format!("{method} {path}"),
        OperationKind::Webhook { method, name } => format!("webhook {name} ({method})"),
        OperationKind::Callback { of, name, method, .. } => format!("callback {name} of {of} ({method})"),
        OperationKind::Field { root, name } => format!("{root:?}.{name}"),
        OperationKind::Rpc { service, method, .. } => format!("{service}/{method}"),
        OperationKind::Channel { address, action: Action::Send } => format!("sends {address}"),
        OperationKind::Channel { address, action: Action::Receive } => format!("receives {address}"),
        OperationKind::Soap { interface, name, .. } => format!("{interface}#{name}"),
    }
}

fn place(place: Place) -> &'static str {
    match place {
        Place::Path => "path",
        Place::Query | Place::QueryString => "query",
        Place::Header => "header",
        Place::Cookie => "cookie",
        Place::Body => "body",
        Place::Argument => "argument",
        Place::Message => "message",
    }
}

fn contents(surface: &Surface, contents: &[Content]) -> String {
    let mut shown: Vec<String> = contents.iter().map(|content| named_type(surface, content.ty, 0)).collect();
    shown.dedup();
    shown.join(", ")
}

/// A type by its name, or written out where it has none.
fn named_type(surface: &Surface, id: TypeId, depth: u32) -> String {
    let ty = surface.get(id);
    match ty.name.text() {
        "" if depth < DEPTH_MAX => shape(surface, &ty.shape, depth + 1),
        "" => "…".to_owned(),
        name => name.to_owned(),
    }
}

fn shape(surface: &Surface, shape: &Shape, depth: u32) -> String {
    let several = |ids: &mut dyn Iterator<Item = TypeId>, between: &str| {
        let shown: Vec<String> = ids.take(6).map(|id| named_type(surface, id, depth)).collect();
        shown.join(between)
    };
    let text = match shape {
        Shape::Any => "any".to_owned(),
        Shape::Never => "never".to_owned(),
        Shape::Null => "null".to_owned(),
        Shape::Scalar(scalar) => match (scalar.kind, &*scalar.format) {
            (kind, "") => format!("{kind:?}").to_ascii_lowercase(),
            (ScalarKind::String, format) => format.to_owned(),
            (kind, format) => format!("{} ({format})", format!("{kind:?}").to_ascii_lowercase()),
        },
        Shape::Enum(values) => {
            values.values.iter().take(8).map(|value| value.value.text()).collect::<Vec<_>>().join(" | ")
        }
        Shape::Record(record) if record.fields.is_empty() => match record.additional {
            Some(ty) => format!("{{[name]: {}}}", named_type(surface, ty, depth)),
            None => "object".to_owned(),
        },
        Shape::Record(record) => {
            format!("{{{}}}", record.fields.iter().take(6).map(|field| &*field.name).collect::<Vec<_>>().join(", "))
        }
        Shape::List(list) if list.prefix.0.is_empty() => match list.items {
            Some(ty) => format!("[{}]", named_type(surface, ty, depth)),
            None => "[any]".to_owned(),
        },
        Shape::List(list) => format!("({})", several(&mut list.prefix.0.iter().copied(), ", ")),
        Shape::Map(map) => {
            format!("{{[{}]: {}}}", named_type(surface, map.key, depth), named_type(surface, map.value, depth))
        }
        Shape::Union(union) => several(&mut union.variants.iter().map(|variant| variant.ty), " | "),
        Shape::Intersection(parts) => several(&mut parts.iter().copied(), " & "),
        Shape::Nullable(inner) => format!("{} | null", named_type(surface, *inner, depth)),
    };
    match text.char_indices().nth(TYPE_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The named types as a class diagram.
#[must_use]
pub fn mermaid(surface: &Surface) -> String {
    let named = (0..).zip(&surface.types).filter(|(_, ty)| !ty.name.text().is_empty());
    let named: HashMap<u32, usize> = named.take(SHOWN_MAX).enumerate().map(|(place, (id, _))| (id, place)).collect();
    let mut out = "classDiagram\n".to_owned();
    let mut shown: Vec<(usize, u32)> = named.iter().map(|(id, place)| (*place, *id)).collect();
    shown.sort_unstable();
    for (place, id) in shown {
        let ty = surface.get(TypeId(id));
        // Writing to a `String` cannot fail.
        let _ = writeln!(out, "  class t{place}[\"{}\"] {{", plain(ty.name.text()));
        let mut links = Vec::new();
        for part in parts(&ty.shape) {
            let inner = match &surface.get(part).shape {
                Shape::Record(_) if !named.contains_key(&part.0) => parts(&surface.get(part).shape),
                _ => vec![part],
            };
            links.extend(inner.iter().filter_map(|id| reached(surface, *id, &named, 0)));
        }
        if let Shape::Record(record) = &ty.shape {
            for field in &record.fields {
                let needed = if field.presence == Presence::Required { "" } else { "?" };
                let _ =
                    writeln!(out, "    {}{needed} {}", plain(&field.name), plain(&named_type(surface, field.ty, 0)));
            }
        } else {
            let _ = writeln!(out, "    {}", plain(&shape(surface, &ty.shape, 0)));
        }
        out.push_str("  }\n");
        links.sort_unstable();
        links.dedup();
        for link in links {
            let _ = writeln!(out, "  t{place} --> t{link}");
        }
    }
    out
}

fn parts(shape: &Shape) -> Vec<TypeId> {
    match shape {
        Shape::Record(record) => record.fields.iter().map(|field| field.ty).chain(record.additional).collect(),
        Shape::List(list) => list.prefix.0.iter().copied().chain(list.items).collect(),
        Shape::Map(map) => vec![map.value],
        Shape::Union(union) => union.variants.iter().map(|variant| variant.ty).collect(),
        Shape::Intersection(parts) => parts.clone(),
        Shape::Nullable(inner) => vec![*inner],
        _ => Vec::new(),
    }
}

/// The class that a type is, perhaps in a list or beside null.
fn reached(surface: &Surface, id: TypeId, named: &HashMap<u32, usize>, depth: u32) -> Option<usize> {
    named.get(&id.0).copied().or_else(|| match &surface.get(id).shape {
        Shape::List(list) if depth < DEPTH_MAX => reached(surface, list.items?, named, depth + 1),
        Shape::Nullable(inner) if depth < DEPTH_MAX => reached(surface, *inner, named, depth + 1),
        _ => None,
    })
}

/// A text without what means something to Mermaid.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_alphanumeric() || " _-.,?[]|&:/".contains(c) { c } else { ' ' })
        .collect::<String>()
        .trim()
        .to_owned()
}
