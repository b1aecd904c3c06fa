//! The real router on the real store: every route by its outcomes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)] // Helpers of tests are tests.

mod generated;
mod house;
mod large;
mod life;
mod naming;
mod seeing;

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
