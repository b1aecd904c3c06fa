//! The function `contracts`.

// The runtime's nested futures are deeper than the compiler looks by default.
#![recursion_limit = "256"]

use contracts::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::chassis::telemetry();
    shared::chassis::run(App::new(shared::chassis::Environment::read().await?)).await
}
