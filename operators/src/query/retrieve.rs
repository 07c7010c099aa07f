//! The second step: candidates for each request, from several sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use abovefold_engine::{Emitter, Operator, Result};
use abovefold_schemas::{ArticleId, keys::reader_key};

use super::{
    batch::{Batch, Candidate, Gathered, Known},
    cache::CachedCandidates,
    cosines::{has_direction, mixed, score_of_cosine},
    fill, metrics,
    metrics::Stopwatch,
    request::{ServedBy, Source},
    shared::Shared,
    sources::{self, Beside, Next},
    vectors::{Found, SERVED_OLD_MS},
};
use crate::articles::{Article, Filter, NearestQuery};

/// Finds candidates: the cached ones of the reader, or the nearest articles to its session embedding (to the page, for related stories),
/// all searches of a batch in one call; and beside them what the other sources bring. A reader without an embedding gets what trends.
#[derive(Debug)]
pub struct Retrieve {
    shared: Arc<Shared>,
}

/// How a request gets its candidates.
enum Plan {
    Cached(CachedCandidates),
    Search,
    /// A search within sections, which is not cached.
    Within,
    Related(ArticleId),
    Cold,
}

/// The candidates near a reader or page; `None` where there is nothing to search with.
type Near = std::result::Result<Option<Vec<Candidate>>, Down>;
type Articles = BTreeMap<ArticleId, Arc<Article>>;

/// The article edge does not answer.
struct Down {
    /// Why, in words.
    trouble: String,
    /// The reader's cached candidates, as far as their articles are in memory.
    kept: Vec<Candidate>,
}

impl Retrieve {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn plan(&self, known: &Known, session_model: &str) -> Plan {
        match (known.asked.request.page, &known.session) {
            (Some(page), _) => Plan::Related(page),
            (None, None) => Plan::Cold,
            (None, Some(_)) if !known.asked.request.categories.is_empty() => Plan::Within,
            (None, Some(_)) => {
                let cached = known.cached.as_ref().map(|bytes| CachedCandidates::from_bytes(bytes));
                let fits = |cached: &CachedCandidates| cached.fits(known.seen.version, session_model);
                let (what, plan) = match cached {
                    Some(Some(cached)) if fits(&cached) => ("hit", Plan::Cached(cached)),
                    Some(_) => ("stale", Plan::Search),
                    None => ("miss", Plan::Search),
                };
                ::metrics::counter!(metrics::CACHE, "what" => what).increment(1);
                plan
            }
        }
    }

    /// The articles that plans name: from memory where the edge is well and they were asked for of late, the others in one call.
    async fn look_up(&self, plans: &[Plan]) -> std::result::Result<Articles, String> {
        let mut ids: Vec<ArticleId> = Vec::new();
        for plan in plans {
            match plan {
                Plan::Cached(cached) => ids.extend(cached.candidates.iter().map(|(id, _)| *id)),
                Plan::Related(page) => ids.push(*page),
                Plan::Search | Plan::Within | Plan::Cold => {}
            }
        }
        if ids.is_empty() {
            return Ok(Articles::new());
        }
        // What a failing edge is not asked for would hide that it fails.
        let old_ms = if self.shared.articles_edge.is_well() { SERVED_OLD_MS } else { -1 };
        let prepared = &self.shared.prepared;
        let Found { mut kept, missing } = prepared.find(ids, self.shared.runtime.now(), old_ms);
        if !missing.is_empty() {
            missing.iter().for_each(|id| drop(kept.remove(id)));
            let asked = prepared.ask(&self.shared, &missing).await?;
            kept.extend(asked.into_iter().map(|prepared| (prepared.article.id, prepared)));
        }
        Ok(kept.into_iter().map(|(id, prepared)| (id, prepared.article)).collect())
    }

    /// What to search with.
    fn query(&self, known: &Known, plan: &Plan, articles: &Articles) -> Option<NearestQuery> {
        let settings = known.asked.settings();
        let mut exclude: Vec<ArticleId> = known.read().collect();
        let (vector, k) = match plan {
            Plan::Cached(_) | Plan::Cold => return None,
            // What a single request excludes is left in: these candidates are cached.
            Plan::Search => (known.session.clone()?, settings.sources.knn),
            Plan::Within => {
                exclude.extend(&known.asked.request.exclude);
                (known.session.clone()?, settings.sources.knn)
            }
            Plan::Related(page) => {
                exclude.push(*page);
                exclude.extend(&known.asked.request.exclude);
                let page = articles
                    .get(page)
                    .map(|article| &article.version.vector[..])
                    .filter(|v| has_direction(v));
                let vector = match (page, &known.session) {
                    (Some(page), Some(session)) => mixed(page, settings.page_share, session),
                    (Some(page), None) => page.to_vec(),
                    (None, session) => session.clone()?,
                };
                (vector, settings.related_candidates.max(known.asked.request.k))
            }
        };
        exclude.sort_unstable();
        exclude.dedup();
        (k > 0 && has_direction(&vector)).then(|| NearestQuery {
            vector,
            k,
            filter: Filter {
                exclude,
                published_from: known.oldest,
                published_until: self.shared.published_until(),
                categories: known.asked.request.categories.clone(),
            },
        })
    }

    async fn near(&self, items: &[Known], plans: &[Plan]) -> Vec<Near> {
        let articles = match self.look_up(plans).await {
            Ok(articles) => articles,
            // A search would go to the same edge.
            Err(trouble) => return plans.iter().map(|plan| self.without_edge(plan, &trouble)).collect(),
        };
        let queries = items.iter().zip(plans).map(|(known, plan)| self.query(known, plan, &articles));
        let queries: Vec<Option<NearestQuery>> = queries.collect();
        let asked: Vec<NearestQuery> = queries.iter().flatten().cloned().collect();
        let hits = match asked.is_empty() {
            true => Ok(Vec::new()),
            false => self.shared.articles_edge.call(self.shared.articles.nearest(asked)).await,
        };
        let mut hits = hits.map(Vec::into_iter);
        let near = |(plan, query): (&Plan, &Option<NearestQuery>)| match (plan, query, &mut hits) {
            (Plan::Cached(cached), _, _) => {
                let named =
                    cached.candidates.iter().filter_map(|(id, cosine)| Some((articles.get(id)?, *cosine)));
                let named = named.filter(|(article, _)| !article.version.withdrawn);
                Ok(Some(named.map(|(article, cosine)| candidate(article.clone(), cosine)).collect()))
            }
            (_, None, _) => Ok(None),
            (_, Some(_), Err(trouble)) => Err(Down { trouble: trouble.clone(), kept: Vec::new() }),
            (_, Some(_), Ok(hits)) => {
                let fewer = "the article edge answered fewer searches than were asked";
                let down = || Down { trouble: fewer.into(), kept: Vec::new() };
                let hits = hits.next().ok_or_else(down)?;
                Ok(Some(hits.into_iter().map(|hit| candidate(hit.article, hit.cosine)).collect()))
            }
        };
        plans.iter().zip(&queries).map(near).collect()
    }

    /// What there is without the article edge.
    fn without_edge(&self, plan: &Plan, trouble: &str) -> Near {
        let kept = match plan {
            Plan::Cold => return Ok(None),
            Plan::Search | Plan::Within | Plan::Related(_) => Vec::new(),
            Plan::Cached(cached) => {
                let kept = cached.candidates.iter().filter_map(|(id, cosine)| {
                    let article = self.shared.prepared.kept(*id)?;
                    (!article.version.withdrawn).then(|| candidate(article, *cosine))
                });
                kept.collect()
            }
        };
        Err(Down { trouble: trouble.to_owned(), kept })
    }

    /// Keeps what was found for the reader's next request, unless its state has changed meanwhile.
    fn keep(&self, known: &Known, candidates: &[Candidate], session_model: &str) {
        let Some(version) = known.seen.version else { return };
        let named = candidates.iter().filter_map(|candidate| Some((candidate.article.id, candidate.cosine?)));
        let session_model = session_model.to_owned();
        let derived = CachedCandidates { version, session_model, candidates: named.collect() }.to_bytes();
        let (shared, tag) = (self.shared.clone(), self.shared.tag(known.seen.partition));
        let key = reader_key(&known.asked.request.reader);
        let time = known.asked.settings().cache_time();
        self.shared.runtime.spawn(async move {
            let put = shared.store.put_derived(&tag, &key, version, derived, time);
            let what = match shared.state_edge.call(put).await {
                Ok(true) => "kept",
                Ok(false) => "refused",
                Err(_) => "failed",
            };
            ::metrics::counter!(metrics::CACHE, "what" => what).increment(1);
        });
    }

    /// Adds what the other sources bring, and what serves where all of them do not suffice.
    fn gather(
        &self,
        known: Known,
        plan: Plan,
        near: Near,
        beside: &Beside<'_>,
        session_model: &str,
    ) -> Gathered {
        let (found, by_near, mut trouble) = match near {
            Ok(found) => (found.unwrap_or_default(), ServedBy::Knn, None),
            Err(Down { trouble, kept }) => (kept, ServedBy::Cached, Some(trouble)),
        };
        if matches!(plan, Plan::Search) && !found.is_empty() && trouble.is_none() {
            let articles = found.iter().map(|candidate| &candidate.article);
            self.shared.prepared.remember(articles, self.shared.runtime.now());
            self.keep(&known, &found, session_model);
        }
        let mut candidates: Vec<Candidate> =
            found.into_iter().filter(|candidate| known.admits(&candidate.article)).collect();
        // Nothing is added to related stories, which are about their page, nor where the search failed: what serves then is a fallback, and says so.
        if !candidates.is_empty() && !matches!(plan, Plan::Related(_)) {
            candidates.extend(sources::from_memory(&self.shared, &known, &candidates, beside));
            let cosine = |candidate: &Candidate| candidate.cosine.unwrap_or(-1.0);
            candidates.sort_by(|a, b| cosine(b).total_cmp(&cosine(a)));
        }
        let k = known.asked.request.k;
        let mut fill = Vec::new();
        if candidates.len() < k {
            fill = fill::trending(&known, &self.shared.trending.view());
            let few = candidates.len() + fill.len() < k;
            if few || !known.state.topics.is_empty() {
                trouble = trouble.or_else(|| beside.trouble.cloned());
                fill.extend(fill::newest(&known, beside.newest));
            }
            let mut ids: BTreeSet<ArticleId> =
                candidates.iter().map(|candidate| candidate.article.id).collect();
            fill.retain(|candidate| ids.insert(candidate.article.id));
        }
        fill::fall(&mut fill);
        let served_by = if candidates.is_empty() { fill::served_by(&known, &fill) } else { by_near };
        if trouble.is_some() && served_by != ServedBy::Knn {
            ::metrics::counter!(metrics::FALLBACKS, "served_by" => served_by.name(), "step" => "retrieve")
                .increment(1);
        }
        let (candidates, fill) = if candidates.is_empty() { (fill, Vec::new()) } else { (candidates, fill) };
        Gathered {
            known,
            candidates,
            fill,
            held_back: Vec::new(),
            served_by,
            model: None,
            by_trees: false,
            trouble,
            seen: None,
        }
    }

    /// What was read after each reader's last reads, and the articles of all that.
    async fn next(&self, items: &[Known], plans: &[Plan]) -> (Vec<Vec<Next>>, Articles) {
        let of = |(known, plan): (&Known, &Plan)| match plan {
            Plan::Cached(_) | Plan::Search | Plan::Within => sources::also_read(&self.shared, known),
            Plan::Related(_) | Plan::Cold => Vec::new(),
        };
        let next: Vec<Vec<Next>> = items.iter().zip(plans).map(of).collect();
        let ids: Vec<ArticleId> = next.iter().flatten().map(|next| next.article).collect();
        let articles = self.shared.prepared.get(&self.shared, ids, SERVED_OLD_MS).await;
        (next, articles.into_iter().map(|(id, prepared)| (id, prepared.article)).collect())
    }
}

fn candidate(article: Arc<Article>, cosine: f32) -> Candidate {
    let cosine = if cosine.is_finite() { cosine } else { -1.0 };
    Candidate { cosine: Some(cosine), ..Candidate::new(article, Source::Knn, score_of_cosine(cosine)) }
}

impl Operator for Retrieve {
    type In = Batch<Known>;
    type Out = Batch<Gathered>;

    fn name(&self) -> &'static str {
        "retrieve"
    }

    fn rows(&self, batch: &Self::In) -> usize {
        batch.items.len()
    }

    async fn handle(&mut self, batch: Batch<Known>, out: &mut Emitter<Batch<Gathered>>) -> Result<()> {
        let Some(batch) = batch.still_wanted(self.shared.runtime.now(), self.name()) else { return Ok(()) };
        let watch = Stopwatch::start();
        let session_model = batch.model.session_model();
        let plans: Vec<Plan> = batch.items.iter().map(|known| self.plan(known, session_model)).collect();
        let (near, (next, articles), (newest, trouble)) = futures::join!(
            self.near(&batch.items, &plans),
            self.next(&batch.items, &plans),
            self.shared.newest.get(&self.shared)
        );
        let mut items = Vec::with_capacity(plans.len());
        let found = near.into_iter().zip(&next);
        for ((known, plan), (near, next)) in batch.items.into_iter().zip(plans).zip(found) {
            let beside = Beside { next, articles: &articles, newest: &newest, trouble: trouble.as_ref() };
            items.push(self.gather(known, plan, near, &beside, session_model));
            // Others get their turn between the requests of a full batch.
            tokio::task::yield_now().await;
        }
        watch.record_stage(self.name());
        out.emit(Batch { items, model: batch.model, slot: batch.slot }).await
    }
}
