//! Fills the embedded log of a home that nobody owns with what the browser test of the operations page needs: a record that is no event, which the intake
//! will find, and a dead letter that is an event by now, so that it can be put back.
//!
//! ```sh
//! cargo run --release --workspace --locked --example dead_letters -- HOME
//! ```

use abovefold_engine::log::{LogSettings, NewRecord, open};
use abovefold_schemas::{Kept, records::DeadLetter};

/// As many as the embedded log has unless told otherwise.
const PARTITIONS: u32 = 4;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = std::env::args().nth(1).ok_or("usage: dead_letters HOME")?;
    let log = open(&format!("file:{home}/log"), &LogSettings::default())?;
    let letter = DeadLetter {
        topic: "user_events".into(),
        // An offset that no demonstration comes to.
        partition: 0,
        offset: 1_000_000_000,
        value: br#"{"user_id":"put-back","article_id":1,"read_time":30,"scroll_pct":80}"#.to_vec(),
        reason: "was not understood by an earlier program".into(),
        ..DeadLetter::default()
    };
    for (topic, value) in
        [("user_events", b"<b>no event</b> at all".to_vec()), ("dead_letters", letter.to_kept())]
    {
        log.create_topic(topic, PARTITIONS).await?;
        log.append(topic, vec![NewRecord::keyed("put-back", value)]).await?;
    }
    Ok(())
}
