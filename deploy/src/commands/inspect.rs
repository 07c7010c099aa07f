//! `inspect`: state in words.

use abovefold_engine::state::Tag;
use abovefold_operators::{
    decode::home_of,
    fold::{steps::from_bytes, trends::count_waiting},
};
use abovefold_schemas::{
    ArticleId, Kept, Offset, ReaderId, Timestamp,
    keys::{ValueName, reader_key},
    state::{AlsoRead, ArticleCounts, ReaderState},
};
use anyhow::{Context, bail};
use futures::TryStreamExt;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::{cli::Inspect, session::Session};

/// Says what was asked for.
pub async fn run(session: &Session, what: &Inspect) -> anyhow::Result<()> {
    match what {
        Inspect::Reader { id, json } => reader(session, id, *json).await,
        Inspect::Article { id, json } => article(session, ArticleId(*id), *json).await,
        Inspect::Lag { json } => lag(session, *json).await,
        Inspect::Digest { json } => digest(session, *json).await,
    }
}

async fn reader(session: &Session, id: &str, json: bool) -> anyhow::Result<()> {
    let namespace = session.readable_namespace().await?.name;
    let reader = ReaderId::new(id).with_context(|| format!("inspect the reader {id:?}"))?;
    let tag = Tag { namespace, partition: home_of(reader.as_str(), session.edges.partitions) };
    let snapshot = session.edges.store.read(&tag, &[reader_key(&reader)], &[]).await?;
    let Some(value) = snapshot.values.into_iter().next().flatten() else {
        bail!("inspect the reader {reader}: nothing is known of it in namespace {}", tag.namespace);
    };
    let state = ReaderState::from_kept(&value.bytes)?;
    let hidden = from_bytes(&state.hidden);
    let embedding = &hidden[hidden.len() / 2..];
    if json {
        let reads: Vec<Json> = state.reads.iter().map(read_json).collect();
        let text = json!({
            "user_id": reader.as_str(), "namespace": tag.namespace, "partition": tag.partition,
            "version": value.version.0, "total_reads": state.total_reads, "reads": reads,
            "topics": state.topics, "session_embedding": embedding,
        });
        session.output.line(text.to_string());
        return Ok(());
    }
    session.output.line(format!(
        "reader {reader}, partition {} of namespace {}: {} reads, the last {} kept; folded up to offset {}",
        tag.partition,
        tag.namespace,
        state.total_reads,
        state.reads.len(),
        value.version
    ));
    let norm = embedding.iter().map(|x| x * x).sum::<f32>().sqrt();
    session.output.line(format!("session embedding: {} numbers of length {norm:.3}", embedding.len()));
    if !state.topics.is_empty() {
        session.output.line(format!("topics: {}", state.topics.join(", ")));
    }
    let ids: Vec<ArticleId> = state.reads.iter().map(|read| ArticleId(read.article_id)).collect();
    let articles = session.edges.articles.get(&ids).await?;
    for (read, article) in state.reads.iter().zip(articles).rev() {
        let title =
            article.map_or_else(|| format!("article {}", read.article_id), |a| a.version.title.clone());
        let seconds = read.read_time.map_or("?".into(), |seconds| format!("{seconds:.0}"));
        session.output.line(format!("  {}  {seconds} s  {title}", Timestamp(read.time)));
    }
    Ok(())
}

fn read_json(read: &abovefold_schemas::state::Read) -> Json {
    json!({
        "article_id": read.article_id, "timestamp": Timestamp(read.time).to_rfc3339(), "read_time": read.read_time,
        "scroll_pct": read.scroll_pct, "device_type": read.device_type, "view_id": read.view_id, "seq": read.seq,
        "position": read.position,
    })
}

async fn article(session: &Session, id: ArticleId, json: bool) -> anyhow::Result<()> {
    let namespace = session.namespace().await?.name;
    let article = session.edges.articles.get(&[id]).await?.into_iter().next().flatten();
    let mut reads = 0;
    let mut next: Vec<(i64, f64)> = Vec::new();
    for partition in 0..session.edges.partitions {
        let tag = Tag { namespace: namespace.clone(), partition };
        let keys = [ValueName::Article(id).to_key(), ValueName::AlsoRead(id).to_key()];
        let mut values = session.edges.store.read(&tag, &keys, &[]).await?.values.into_iter();
        let (of_article, of_next) = (values.next().flatten(), values.next().flatten());
        if let Some(value) = of_article {
            let counts = ArticleCounts::from_kept(&value.bytes)?;
            reads += counts.reads;
            let mut also_read = match of_next {
                Some(value) => AlsoRead::from_kept(&value.bytes)?,
                None => AlsoRead::default(),
            };
            count_waiting(&mut also_read, &counts);
            for successor in also_read.next {
                match next.iter_mut().find(|(article, _)| *article == successor.article_id) {
                    Some((_, weight)) => *weight += successor.weight,
                    None => next.push((successor.article_id, successor.weight)),
                }
            }
        }
    }
    if article.is_none() && reads == 0 {
        bail!("inspect the article {id}: neither the article edge nor namespace {namespace} knows it");
    }
    next.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    next.truncate(10);
    let title = article.as_ref().map(|article| article.version.title.clone());
    let category = article.as_ref().map(|article| article.version.category.clone());
    if json {
        let also_read: Vec<Json> =
            next.iter().map(|(id, weight)| json!({"article_id": id, "weight": weight})).collect();
        let published = article.as_ref().map(|article| Timestamp(article.version.published).to_rfc3339());
        let has_vector = article.as_ref().is_some_and(|article| !article.version.vector.is_empty());
        let text = json!({
            "article_id": id.0, "title": title, "category": category, "published_time": published,
            "has_vector": has_vector, "reads": reads, "also_read": also_read,
        });
        session.output.line(text.to_string());
        return Ok(());
    }
    let named = title.unwrap_or_else(|| "(not indexed)".into());
    session.output.line(format!("article {id}: {named} [{}], {reads} reads", category.unwrap_or_default()));
    for (article, weight) in next {
        session.output.line(format!("  read next: article {article}, weight {weight:.2}"));
    }
    Ok(())
}

async fn lag(session: &Session, json: bool) -> anyhow::Result<()> {
    let namespace = session.namespace().await?;
    let bounds = session.edges.log.bounds(&session.edges.topics.user_events).await?;
    let mut partitions = Vec::new();
    let mut total = 0;
    for (partition, bounds) in (0..).zip(&bounds) {
        let tag = Tag { namespace: namespace.name.clone(), partition };
        let first = namespace.first_offsets.get(partition as usize).copied().unwrap_or_default();
        let next = session
            .edges
            .store
            .read(&tag, &[], &[])
            .await?
            .marker
            .map_or(Offset(first), |marker| marker.next);
        let lag = bounds.end.0.saturating_sub(next.0);
        total += lag;
        partitions.push((partition, next.0, bounds.end.0, lag));
    }
    if json {
        let rows: Vec<Json> = partitions
            .iter()
            .map(|(partition, next, end, lag)| json!({"partition": partition, "marker": next, "end": end, "lag": lag}))
            .collect();
        session
            .output
            .line(json!({"namespace": namespace.name, "lag": total, "partitions": rows}).to_string());
        return Ok(());
    }
    for (partition, next, end, lag) in partitions {
        session.output.line(format!("partition {partition}: marker {next}, end {end}, lag {lag}"));
    }
    session.output.line(format!("lag of namespace {}: {total}", namespace.name));
    Ok(())
}

/// How often a digest is tried again when the markers move meanwhile.
const DIGEST_TRIES: usize = 20;

async fn digest(session: &Session, json: bool) -> anyhow::Result<()> {
    let namespace = session.namespace().await?.name;
    for _ in 0..DIGEST_TRIES {
        let before = session.markers(&namespace).await?;
        let hash = hash_namespace(session, &namespace).await?;
        if before != session.markers(&namespace).await? {
            session.runtime.sleep(std::time::Duration::from_millis(250)).await;
            continue;
        }
        let offsets: Vec<u64> = before.iter().map(|next| next.map_or(0, |next| next.0)).collect();
        if json {
            session
                .output
                .line(json!({"namespace": namespace, "digest": hash, "offsets": offsets}).to_string());
        } else {
            let covered: Vec<String> =
                (0..).zip(&offsets).map(|(p, offset): (u32, _)| format!("{p}:{offset}")).collect();
            session.output.line(format!("{hash} up to {}", covered.join(",")));
        }
        return Ok(());
    }
    bail!(
        "digest of namespace {namespace}: its markers keep moving; stop what writes, or ask again when it is idle"
    )
}

/// SHA-256 over the partitions, in each over the keys in their order, with version and bytes.
pub async fn hash_namespace(session: &Session, namespace: &str) -> anyhow::Result<String> {
    let mut whole = Sha256::new();
    for partition in 0..session.edges.partitions {
        let tag = Tag { namespace: namespace.into(), partition };
        let mut values: Vec<(bytes::Bytes, [u8; 32])> = session
            .edges
            .store
            .scan(&tag)
            .map_ok(|(key, value)| {
                let mut one = Sha256::new();
                one.update(value.version.0.to_be_bytes());
                one.update(&value.bytes);
                (key, one.finalize().into())
            })
            .try_collect()
            .await?;
        values.sort();
        whole.update(partition.to_be_bytes());
        for (key, hash) in values {
            whole.update((key.len() as u64).to_be_bytes());
            whole.update(&key);
            whole.update(hash);
        }
    }
    Ok(whole.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
