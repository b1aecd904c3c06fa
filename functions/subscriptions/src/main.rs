//! The function `subscriptions`.

use subscriptions::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::chassis::telemetry();
    let environment = shared::chassis::Environment::read().await?;
    shared::chassis::run(App::new(environment, shared::chassis::environment::door_secret()?)).await
}
