//! The function `gateway`.

// The futures of the SDK nest deeper than the compiler looks by default.
#![recursion_limit = "256"]

use std::sync::Arc;

use gateway::{App, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::chassis::telemetry();
    let environment = shared::chassis::Environment::read().await?;
    let app = Arc::new(App::new(environment.table, Settings::read()?));
    // Refused calls are counted in batches: what is left of a batch is written before the sandbox goes.
    let last = app.clone();
    lambda_runtime::spawn_graceful_shutdown_handler(move || async move { last.close().await }).await;
    shared::chassis::run_shared(app).await
}
