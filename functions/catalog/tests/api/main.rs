//! The real router on the real store: every route by its outcomes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)] // Helpers of tests are tests.

mod checks;
mod generated;
mod imports;
mod large;
mod life;
mod naming;
mod public;
mod retried;
mod rpc;
mod search;
mod seeing;
mod services;
mod surfaces;

use catalog::App;
use house::{Answer, Who, door_secret};
use shared::principal::Role;

type House = house::House<App>;

async fn new() -> House {
    House::new(|environment| App::new(environment, &door_secret())).await
}

fn member(slug: &str, role: Role) -> Who<'_> {
    Who::Member(slug, role)
}

async fn upload(house: &House, who: Who<'_>, api: &str, version: &str, document: &[u8]) -> Answer {
    let line = format!("POST /v1/catalog/apis/{api}/versions?version={version}");
    house.call(who, &line, &[("content-type", "application/octet-stream")], document).await
}

/// A document with two operations, under the name `1.0.0`.
const WEATHER: &str = "openapi: 3.1.0
info: {title: Weather, version: 1.0.0}
paths:
  /now/{city}:
    get:
      operationId: currentWeather
      summary: The weather right now
  /forecast/{city}:
    get:
      operationId: forecast
      summary: The weather of the days to come
      deprecated: true
";
