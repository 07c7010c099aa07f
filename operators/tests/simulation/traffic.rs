//! Events of all kinds that readers, clients and strangers send, and the ledger of what has to be counted.

use std::{sync::Arc, time::Duration};

use abovefold_engine::log::{Log, NewRecord, Position};
use abovefold_operators::decode::home_of;
use abovefold_schemas::{ArticleVersion, Kept, records::PUT_BACK_HEADER};

use crate::{
    plan::{Dice, Plan, TRAFFIC_MS},
    world::{ARTICLES, DEAD_LETTERS, EVENTS, PARTITIONS, World},
};

/// Articles that exist from the start.
pub const FIRST_ARTICLES: i64 = 6;

/// What has to be counted in the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger {
    pub events: u64,
    /// Distinct reads: pieces of one view are one, what was put back counts once.
    pub reads: u64,
}

/// A view whose pieces are still to be sent.
struct View {
    reader: String,
    name: String,
    pieces: Vec<u32>,
}

pub async fn make_topics(world: &World) {
    for topic in [EVENTS, ARTICLES, DEAD_LETTERS] {
        world.log.create_topic(topic, PARTITIONS).await.unwrap();
    }
    for article in 0..FIRST_ARTICLES {
        publish(world, article, 0).await;
    }
}

async fn publish(world: &World, article_id: i64, edition: u64) {
    let mut vector = vec![0.0; 768];
    vector[0] = article_id as f32 * 0.1 + edition as f32;
    vector[1] = 1.0 - article_id as f32 * 0.05;
    vector[2] = edition as f32 * 0.3;
    let version = ArticleVersion { article_id, vector, ..ArticleVersion::default() };
    let record = NewRecord::keyed(article_id.to_string(), version.to_kept());
    world.log.append(ARTICLES, vec![record]).await.unwrap();
}

/// Sends everything, spread over the time of the traffic.
pub async fn send(world: Arc<World>, plan: Plan) -> Ledger {
    let mut dice = Dice::new(plan.seed ^ 0x7aff);
    let mut ledger = Ledger::default();
    let (mut views, mut dead): (Vec<View>, Vec<Position>) = (Vec::new(), Vec::new());
    let pause = TRAFFIC_MS * 1_000 / plan.events as u64;
    for number in 0..plan.events as u64 {
        world.runtime.sleep(Duration::from_micros(dice.below(2 * pause))).await;
        ledger.events += 1;
        let reader = reader(&mut dice, &plan);
        match dice.below(100) {
            0..=54 => {
                ledger.reads += 1;
                let record = NewRecord::keyed(reader.clone(), read(&mut dice, &world, &reader, number));
                append(&world, record).await;
            }
            // In another partition than its reader's: without a key, or with a partitioner of its own.
            55..=66 => {
                ledger.reads += 1;
                let value = read(&mut dice, &world, &reader, number);
                let partition = Some(dice.below(u64::from(PARTITIONS)) as u32);
                let key = (!dice.one_in(3)).then(|| reader.clone().into());
                append(&world, NewRecord { partition, key, value: value.into(), ..NewRecord::default() })
                    .await;
            }
            67..=76 => {
                if views.is_empty() || dice.one_in(3) {
                    ledger.reads += 1;
                    let reader = format!("viewer-{}", dice.below(3));
                    views.push(View { reader, name: format!("view-{number}"), pieces: vec![1, 2, 3, 4] });
                }
                piece(&mut dice, &world, &mut views).await;
            }
            77..=81 => {
                let texts = [
                    "",
                    "poison",
                    "{",
                    "null",
                    "[1]",
                    r#"{"user_id":"x","article_id":1,"read_time":NaN}"#,
                    r#"{"user_id":"x","article_id":1,"timestamp":-5}"#,
                    r#"{"user_id":"x","article_id":1,"timestamp":9223372036854775807}"#,
                ];
                let value = texts[dice.below(texts.len() as u64) as usize];
                let key = dice.one_in(2).then(|| "x".into());
                let partition = Some(dice.below(u64::from(PARTITIONS)) as u32);
                let position =
                    append(&world, NewRecord { partition, key, value: value.into(), ..NewRecord::default() })
                        .await;
                dead.push(position);
            }
            // Put back, once or more, as a newer decoder would.
            82..=84 => {
                let Some(origin) =
                    (!dead.is_empty()).then(|| dead.swap_remove(dice.below(dead.len() as u64) as usize))
                else {
                    continue;
                };
                ledger.reads += 1;
                let value = read(&mut dice, &world, &reader, number);
                let header = format!("{}:{}", origin.partition, origin.offset);
                for _ in 0..1 + dice.below(2) {
                    let mut record = NewRecord::keyed(reader.clone(), value.clone());
                    record.headers.push((PUT_BACK_HEADER.into(), header.clone().into()));
                    append(&world, record).await;
                }
            }
            85 | 86 => {
                let value = format!(
                    r#"{{"user_id":"{reader}","type":"preferences","topics":["World","n{number}"]}}"#
                );
                append(&world, NewRecord::keyed(reader, value)).await;
            }
            87 => {
                let value = format!(r#"{{"user_id":"{reader}","type":"profile","age":{}}}"#, dice.below(90));
                append(&world, NewRecord::keyed(reader, value)).await;
            }
            88 | 89 => {
                let value = format!(r#"{{"user_id":"{reader}","type":"forget"}}"#);
                append(&world, NewRecord::keyed(reader, value)).await;
            }
            // A new article, or another version of one.
            90..=95 => publish(&world, dice.below(FIRST_ARTICLES as u64 + 4) as i64, number).await,
            // What a transaction leaves behind.
            _ => world.log.pass(EVENTS, dice.below(u64::from(PARTITIONS)) as u32, 1 + dice.below(3)),
        }
    }
    while !views.is_empty() {
        piece(&mut dice, &world, &mut views).await;
    }
    ledger
}

fn reader(dice: &mut Dice, plan: &Plan) -> String {
    if plan.hot && dice.one_in(2) { "hot".into() } else { format!("reader-{}", dice.below(9)) }
}

/// A read whose time may lie hours back, or in the future, or be the record's own.
fn read(dice: &mut Dice, world: &World, reader: &str, number: u64) -> String {
    let now = world.runtime.now().0;
    let article = dice.below(FIRST_ARTICLES as u64 + 5);
    let time = match dice.below(6) {
        0 => String::new(),
        1 => format!(r#","timestamp":{}"#, now + 86_400_000 * 400),
        2 => format!(r#","timestamp":{}"#, now - dice.below(7_200_000) as i64),
        _ => format!(r#","timestamp":{}"#, now - dice.below(2_000) as i64),
    };
    format!(r#"{{"user_id":"{reader}","article_id":{article},"read_time":{}{time}}}"#, number % 300)
}

/// Sends one piece of a view: in any order, and some more than once.
async fn piece(dice: &mut Dice, world: &World, views: &mut Vec<View>) {
    let place = dice.below(views.len() as u64) as usize;
    let view = &mut views[place];
    let seq = view.pieces.swap_remove(dice.below(view.pieces.len() as u64) as usize);
    let value = format!(
        r#"{{"user_id":"{}","article_id":3,"view_id":"{}","seq":{seq},"read_time":{},"scroll_pct":{}}}"#,
        view.reader,
        view.name,
        seq * 10,
        seq * 20
    );
    let record = NewRecord::keyed(view.reader.clone(), value);
    for _ in 0..1 + dice.below(5) / 4 {
        append(world, record.clone()).await;
    }
    if view.pieces.is_empty() {
        views.remove(place);
    }
}

async fn append(world: &World, record: NewRecord) -> Position {
    world.log.append(EVENTS, vec![record]).await.unwrap()[0]
}

/// The home of a reader.
pub fn home(reader: &str) -> u32 {
    home_of(reader, PARTITIONS)
}
