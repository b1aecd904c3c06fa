//! The real router beside a catalog that is played: every route by its outcomes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // Helpers of tests are tests.

mod catalog;
mod comparisons;
mod forms;
mod rules;

use house::{Answer, House, Who};
use serde_json::{Value, json};
use shared::principal::Role;

const PATH: &str = "/v1/contracts/comparisons";
const VIEWER: Who<'static> = Who::Member("acme", Role::Viewer);

/// The function and its neighbour.
struct Scene {
    house: House<contracts::App>,
    catalog: catalog::Catalog,
}

impl Scene {
    async fn new() -> Self {
        let catalog = catalog::Catalog::default();
        Self { house: House::among(catalog.router(), contracts::App::new).await, catalog }
    }

    async fn compare(&self, question: &Value) -> Answer {
        self.house.post(VIEWER, PATH, question).await
    }
}

/// A question about two documents of one file.
fn question(before: &str, after: &str) -> Value {
    json!({"before": {"files": {"pets.yaml": before}}, "after": {"files": {"pets.yaml": after}}})
}
