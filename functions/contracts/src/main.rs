//! The function `contracts`.

use contracts::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::chassis::telemetry();
    // The environment has a table, as every function's; nothing is kept in it yet.
    shared::chassis::run(App::new(shared::chassis::Environment::read().await?)).await
}
