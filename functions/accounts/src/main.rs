//! The function `accounts`.

use accounts::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::chassis::telemetry();
    let environment = shared::chassis::Environment::read().await?;
    shared::chassis::run(App::new(environment)).await
}
