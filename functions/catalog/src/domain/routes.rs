//! The routes of a version as the door gets them: in parts that fit an event on every hop.

use crate::domain::Operation;
use shared::event::Route;

/// Bytes of a part's routes as JSON. With what is around them and the quoting of a JSON text within JSON, a part stays under 100 KB of an event.
const PART_BYTES_MAX: usize = 72_000;
/// Bytes of all routes of a version: they are told in one atomic write, which holds 4 MB.
pub const ROUTES_BYTES_MAX: usize = 2_000_000;

/// The routes of an operation: all that lead to it have its number, so that they are one to the meter.
fn routes(number: u32, operation: &Operation) -> impl Iterator<Item = Route> {
    let besides = operation.bindings.iter().map(|binding| (&binding.method, &binding.path));
    std::iter::once((&operation.method, &operation.path)).chain(besides).map(move |(method, path)| Route {
        n: number,
        method: method.clone(),
        path: path.clone(),
        operation: operation.id.clone(),
        deprecated: operation.deprecated,
    })
}

fn all(operations: &[Operation]) -> impl Iterator<Item = Route> {
    (0..).zip(operations).flat_map(|(number, operation)| routes(number, operation))
}

/// What a route takes in an event at most: its texts, escaped twice, and the frame.
fn bytes(route: &Route) -> usize {
    let byte = |byte: u8| match byte {
        b'"' | b'\\' => 4,
        _ if byte.is_ascii_control() => 7,
        _ => 1,
    };
    let text = |text: &str| text.bytes().map(byte).sum::<usize>();
    100 + text(&route.path) + text(&route.operation)
}

/// What all routes take.
#[must_use]
pub fn bytes_of(operations: &[Operation]) -> usize {
    all(operations).map(|route| bytes(&route)).sum()
}

/// The routes in parts; a version without operations has one empty part.
#[must_use]
pub fn parts(operations: &[Operation]) -> Vec<Vec<Route>> {
    let mut parts = Vec::new();
    let (mut part, mut size) = (Vec::new(), 0);
    for route in all(operations) {
        let more = bytes(&route);
        if size + more > PART_BYTES_MAX && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            size = 0;
        }
        size += more;
        part.push(route);
    }
    parts.push(part);
    parts
}
