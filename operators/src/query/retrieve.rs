//! The second step: candidates for each request.

use std::{collections::BTreeMap, sync::Arc};

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
};
use crate::articles::{Article, Filter, NearestQuery};

/// Finds candidates: the cached ones of the reader, or the nearest articles to its session embedding (to the page, for related stories),
/// all searches of a batch in one call. A reader without an embedding gets what trends.
#[derive(Debug)]
pub struct Retrieve {
    shared: Arc<Shared>,
}

/// How a request gets its candidates.
enum Plan {
    Cached(CachedCandidates),
    Search,
    Related(ArticleId),
    Cold,
}

/// The candidates near a reader or page; `None` where there is nothing to search with; in words, why there are none.
type Near = std::result::Result<Option<Vec<Candidate>>, String>;
type Articles = BTreeMap<ArticleId, Arc<Article>>;

impl Retrieve {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn plan(&self, known: &Known) -> Plan {
        match (known.asked.request.page, &known.session) {
            (Some(page), _) => Plan::Related(page),
            (None, None) => Plan::Cold,
            (None, Some(_)) => {
                let cached = known.cached.as_ref().map(|bytes| CachedCandidates::from_bytes(bytes));
                let fits =
                    |cached: &CachedCandidates| cached.fits(known.seen.version, self.shared.session_model());
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

    /// The articles that plans name, in one call.
    async fn look_up(&self, plans: &[Plan]) -> std::result::Result<Articles, String> {
        let mut ids: Vec<ArticleId> = Vec::new();
        for plan in plans {
            match plan {
                Plan::Cached(cached) => ids.extend(cached.candidates.iter().map(|(id, _)| *id)),
                Plan::Related(page) => ids.push(*page),
                Plan::Search | Plan::Cold => {}
            }
        }
        if ids.is_empty() {
            return Ok(Articles::new());
        }
        ids.sort_unstable();
        ids.dedup();
        let found = self.shared.articles_edge.call(self.shared.articles.get(&ids)).await?;
        Ok(ids.into_iter().zip(found).filter_map(|(id, article)| Some((id, article?))).collect())
    }

    /// What to search with.
    fn query(&self, known: &Known, plan: &Plan, articles: &Articles) -> Option<NearestQuery> {
        let settings = known.asked.settings();
        let mut exclude: Vec<ArticleId> =
            known.state.reads.iter().map(|read| ArticleId(read.article_id)).collect();
        let (vector, k) = match plan {
            Plan::Cached(_) | Plan::Cold => return None,
            // What a single request excludes is left in: these candidates are cached.
            Plan::Search => (known.session.clone()?, settings.candidates),
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
        has_direction(&vector).then(|| NearestQuery {
            vector,
            k,
            filter: Filter { exclude, published_until: self.shared.published_until(), ..Filter::default() },
        })
    }

    async fn near(&self, items: &[Known], plans: &[Plan]) -> Vec<Near> {
        let articles = match self.look_up(plans).await {
            Ok(articles) => articles,
            // A search would go to the same edge.
            Err(trouble) => return plans.iter().map(|plan| trouble_of(plan, &trouble)).collect(),
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
            (_, Some(_), Err(trouble)) => Err(trouble.clone()),
            (_, Some(_), Ok(hits)) => {
                let hits = hits.next().ok_or("the article edge answered fewer searches than were asked")?;
                Ok(Some(hits.into_iter().map(|hit| candidate(hit.article, hit.cosine)).collect()))
            }
        };
        plans.iter().zip(&queries).map(near).collect()
    }

    /// Keeps what was found for the reader's next request, unless its state has changed meanwhile.
    fn keep(&self, known: &Known, candidates: &[Candidate]) {
        let Some(version) = known.seen.version else { return };
        let named = candidates.iter().filter_map(|candidate| Some((candidate.article.id, candidate.cosine?)));
        let session_model = self.shared.session_model().to_string();
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

    /// Adds what serves where the near ones do not suffice.
    async fn gather(&self, known: Known, plan: Plan, near: Near) -> Gathered {
        let (candidates, mut trouble) = match near {
            Ok(found) => (found.unwrap_or_default(), None),
            Err(trouble) => (Vec::new(), Some(trouble)),
        };
        if matches!(plan, Plan::Search) && !candidates.is_empty() {
            self.keep(&known, &candidates);
        }
        let candidates: Vec<Candidate> =
            candidates.into_iter().filter(|candidate| !known.bars(candidate.article.id)).collect();
        let k = known.asked.request.k;
        let mut fill = Vec::new();
        if candidates.len() < k {
            fill = fill::trending(&known, &self.shared.trending.view());
            let few = candidates.len() + fill.len() < k;
            if few || !known.state.topics.is_empty() {
                let (newest, down) = self.shared.newest.get(&self.shared).await;
                trouble = trouble.or(down);
                fill.extend(fill::newest(&known, &newest));
            }
        }
        let (fill, by_fill) = fill::by_choice(&known, fill);
        if !candidates.is_empty() {
            let served_by = ServedBy::Knn;
            return Gathered { known, candidates, fill, served_by, model: None, trouble, seen: None };
        }
        if trouble.is_some() {
            ::metrics::counter!(metrics::FALLBACKS, "served_by" => by_fill.name(), "step" => "retrieve")
                .increment(1);
        }
        let (candidates, fill) = (fill, Vec::new());
        Gathered { known, candidates, fill, served_by: by_fill, model: None, trouble, seen: None }
    }
}

fn candidate(article: Arc<Article>, cosine: f32) -> Candidate {
    let cosine = if cosine.is_finite() { cosine } else { -1.0 };
    let score = score_of_cosine(cosine);
    Candidate {
        article,
        source: Source::Knn,
        score,
        cosine: Some(cosine),
        logit: None,
        trend: None,
        reasons: Vec::new(),
    }
}

fn trouble_of(plan: &Plan, trouble: &str) -> Near {
    match plan {
        Plan::Cold => Ok(None),
        _ => Err(trouble.to_string()),
    }
}

impl Operator for Retrieve {
    type In = Batch<Known>;
    type Out = Batch<Gathered>;

    fn name(&self) -> &'static str {
        "retrieve"
    }

    async fn handle(&mut self, batch: Batch<Known>, out: &mut Emitter<Batch<Gathered>>) -> Result<()> {
        let watch = Stopwatch::start();
        let plans: Vec<Plan> = batch.items.iter().map(|known| self.plan(known)).collect();
        let near = self.near(&batch.items, &plans).await;
        let mut items = Vec::with_capacity(plans.len());
        for ((known, plan), near) in batch.items.into_iter().zip(plans).zip(near) {
            items.push(self.gather(known, plan, near).await);
        }
        watch.record_stage(self.name());
        out.emit(Batch { items, permit: batch.permit }).await
    }
}
