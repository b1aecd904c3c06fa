//! The routes of a version as the door gets them: in parts that fit an event on every hop.

use crate::domain::Operation;
use shared::event::Route;

/// Bytes of a part's routes as JSON. With what is around them and the quoting of a JSON text within JSON, a part stays under 100 KB of an event.
const PART_BYTES_MAX: usize = 72_000;
/// Bytes of all routes of a version: they are told in one atomic write, which holds 4 MB.
pub const ROUTES_BYTES_MAX: usize = 2_000_000;

fn route(number: u32, operation: &Operation) -> Route {
    Route {
        n: number,
        method: operation.method.clone(),
        path: operation.path.clone(),
        operation: operation.id.clone(),
        deprecated: operation.deprecated,
    }
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
    (0..).zip(operations).map(|(number, operation)| bytes(&route(number, operation))).sum()
}

/// The routes in parts; a version without operations has one empty part.
#[must_use]
pub fn parts(operations: &[Operation]) -> Vec<Vec<Route>> {
    let mut parts = Vec::new();
    let (mut part, mut size) = (Vec::new(), 0);
    for (number, operation) in (0..).zip(operations) {
        let route = route(number, operation);
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
