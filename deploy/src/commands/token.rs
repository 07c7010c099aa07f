//! `token`: a reader's token, for trying the interface by hand and for sites that have no sign-in of their own yet.

use abovefold_engine::Runtime;
use abovefold_schemas::{ReaderId, Timestamp};
use anyhow::Context;

use crate::{
    config::{Config, parse_duration},
    http::Keys,
    output::Output,
};

/// Prints it.
pub fn run(config: &Config, reader: &str, ttl: &str, output: &Output) -> anyhow::Result<()> {
    let doing = || format!("make a token of the reader {reader:?}");
    let id = ReaderId::new(reader).with_context(doing)?;
    let lasts = parse_duration(ttl).with_context(doing)?;
    let keys = Keys::load(&config.http)?;
    let secret = keys.tokens().with_context(|| {
        format!(
            "{}: there is no secret; set http.token_secret or http.token_secret_file to what the server has",
            doing()
        )
    })?;
    let lasts = i64::try_from(lasts.as_millis()).with_context(doing)?;
    let expires = Timestamp(Runtime::real().now().0.saturating_add(lasts));
    output.line(secret.sign(&id, expires));
    Ok(())
}
