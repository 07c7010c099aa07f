//! The graph beside the articles' file, `articles.graph`: a start reads in a second what takes minutes to build.
//!
//! It is a copy that may be deleted at any time. One that is damaged, of other settings or of other articles is not used, and what it does
//! not know is linked in when it is read. A text with the form's version, then little-endian: the length of the settings (4 bytes) and
//! these as JSON, the number of keys (8), for each its article (8) and the digest of its vector (16, all zero where nothing stands), the
//! length of the links (8) and these as usearch writes them; at the end the SHA-256 of all before it.

use std::{collections::HashMap, fs, path::Path, sync::Arc};

use abovefold_engine::{EngineError, Result};
use abovefold_schemas::ArticleId;
use sha2::{Digest, Sha256};

use super::{super::Article, graph::Graph, settings::HnswSettings};
use crate::take::{cut, take};

const FORM: &[u8] = b"abovefold graph 1\n";
const DIGEST: usize = 16;
const SUM: usize = 32;

/// The graph that a file holds, as far as it is one of these articles; `None` where there is none that can be used.
pub(super) fn read(path: &Path, settings: &HnswSettings, articles: &[Arc<Article>]) -> Option<Graph> {
    let bytes = fs::read(path).ok()?;
    let graph = parse(&bytes, settings, articles);
    match &graph {
        Some(graph) => tracing::info!(articles = graph.live(), "the graph of the articles was kept"),
        None => {
            tracing::warn!(file = %path.display(), "the kept graph of the articles is not used: it is built anew")
        }
    }
    graph
}

/// Writes a graph, in the place of what was there.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write(path: &Path, settings: &HnswSettings, graph: &Graph) -> Result<()> {
    let (settings, links) = (described(settings), graph.bytes()?);
    let mut bytes = Vec::with_capacity(links.len() + graph.linked().len() * (8 + DIGEST) + 1_024);
    bytes.extend(FORM);
    bytes.extend((settings.len() as u32).to_le_bytes());
    bytes.extend(settings.as_bytes());
    bytes.extend((graph.linked().len() as u64).to_le_bytes());
    for article in graph.linked() {
        bytes.extend(article.map_or(0, |article| article.id.0).to_le_bytes());
        bytes.extend(article.map_or([0; DIGEST], |article| digest(&article.version.vector)));
    }
    bytes.extend((links.len() as u64).to_le_bytes());
    bytes.extend(links);
    let sum = Sha256::digest(&bytes);
    bytes.extend(sum);
    let beside = path.with_extension("graph.new");
    let written = fs::write(&beside, &bytes).and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| EngineError::outside(format!("keep the graph in {}", path.display()), error))
}

fn parse(bytes: &[u8], settings: &HnswSettings, articles: &[Arc<Article>]) -> Option<Graph> {
    let (contents, sum) = bytes.split_at_checked(bytes.len().checked_sub(SUM)?)?;
    if Sha256::digest(contents)[..] != *sum {
        return None;
    }
    let mut rest = contents.strip_prefix(FORM)?;
    let length = u32::from_le_bytes(take(&mut rest)?) as usize;
    if cut(&mut rest, length)? != described(settings).as_bytes() {
        return None;
    }
    let by_id: HashMap<ArticleId, &Arc<Article>> =
        articles.iter().map(|article| (article.id, article)).collect();
    let keys = usize::try_from(u64::from_le_bytes(take(&mut rest)?)).ok()?;
    let mut members = cut(&mut rest, keys.checked_mul(8 + DIGEST)?)?;
    let mut linked = Vec::with_capacity(keys);
    while !members.is_empty() {
        let id = ArticleId(i64::from_le_bytes(take(&mut members)?));
        let of_vector: [u8; DIGEST] = take(&mut members)?;
        let known = by_id.get(&id).filter(|article| digest(&article.version.vector) == of_vector);
        linked.push(known.map(|article| Arc::clone(article)));
    }
    let length = usize::try_from(u64::from_le_bytes(take(&mut rest)?)).ok()?;
    let links = cut(&mut rest, length)?;
    let graph = Graph::from_bytes(settings, links, &linked).ok()?;
    (rest.is_empty() && !graph.is_worn()).then_some(graph)
}

/// What a graph depends on beside its articles.
fn described(settings: &HnswSettings) -> String {
    let HnswSettings { m, ef_construction, precision, .. } = settings;
    serde_json::json!({"m": m, "ef_construction": ef_construction, "precision": precision}).to_string()
}

fn digest(vector: &[f32]) -> [u8; DIGEST] {
    let mut hash = Sha256::new();
    for number in vector {
        hash.update(number.to_le_bytes());
    }
    let whole = hash.finalize();
    std::array::from_fn(|place| whole[place])
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use abovefold_models::WIDTH;
    use abovefold_schemas::{ArticleVersion, Offset};

    use super::*;
    use crate::articles::Filter;

    fn article(id: i64, told: usize) -> Arc<Article> {
        // Directions that differ; any will do.
        let vector = (0..WIDTH).map(|unit| ((told * 31 + unit * 17) % 257) as f32 - 128.0).collect();
        let version = ArticleVersion { article_id: id, vector, ..ArticleVersion::default() };
        Arc::new(Article { id: ArticleId(id), offset: Offset(told as u64), version })
    }

    fn settings() -> HnswSettings {
        HnswSettings { m: 4, ef_construction: 16, ..HnswSettings::default() }
    }

    fn built(articles: &[Arc<Article>], kept: Option<Graph>) -> Graph {
        Graph::build(&settings(), articles, kept, &AtomicBool::new(false)).unwrap().unwrap()
    }

    fn nearest(graph: &Graph, article: &Article) -> ArticleId {
        let query = super::super::graph::findable_by(article).unwrap();
        graph.nearest(&query, 1, &Filter::default()).unwrap()[0].article.id
    }

    #[test]
    fn a_kept_graph_takes_in_what_has_changed_since() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("articles.graph");
        let mut articles: Vec<Arc<Article>> = (0..200).map(|id| article(id, id as usize)).collect();
        write(&path, &settings(), &built(&articles, None)).unwrap();

        // One has another vector by now, one is gone, one is new.
        articles[7] = article(7, 210);
        articles.remove(3);
        articles.push(article(900, 220));
        let kept = read(&path, &settings(), &articles).unwrap();
        assert_eq!(kept.live(), 198, "what has changed is not found by its old vector");
        let graph = built(&articles, Some(kept));
        assert_eq!(graph.live(), 200);
        for article in &articles {
            assert_eq!(nearest(&graph, article), article.id);
        }
        write(&path, &settings(), &graph).unwrap();
        assert_eq!(read(&path, &settings(), &articles).unwrap().live(), 200);
    }

    #[test]
    fn a_file_that_is_damaged_or_of_other_settings_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("articles.graph");
        let articles: Vec<Arc<Article>> = (0..50).map(|id| article(id, id as usize)).collect();
        assert!(read(&path, &settings(), &articles).is_none(), "there is none");
        write(&path, &settings(), &built(&articles, None)).unwrap();
        let other = HnswSettings { m: 5, ..settings() };
        assert!(read(&path, &other, &articles).is_none());
        let whole = fs::read(&path).unwrap();
        for damaged in [whole[..whole.len() - 1].to_vec(), whole[1..].to_vec(), Vec::new(), {
            let mut changed = whole.clone();
            changed[whole.len() / 2] ^= 1;
            changed
        }] {
            fs::write(&path, damaged).unwrap();
            assert!(read(&path, &settings(), &articles).is_none());
        }
        fs::write(&path, whole).unwrap();
        assert!(read(&path, &settings(), &articles).is_some());
    }
}
