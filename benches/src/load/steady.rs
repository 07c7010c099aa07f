//! The steady load: readers who ask, readers who read, and readers who do both and want to see it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{
    Options,
    bare::{Bare, share},
    client::{Answer, Client},
    newspaper::{Draws, read, reader},
    pace,
    report::{Line, Report},
    tally::{Outcome, Sample, Tally},
};

/// A reader whose candidates were searched for is asked for again after so long: by then they are kept.
const KEPT_AFTER: Duration = Duration::from_millis(500);
/// What is wanted, in milliseconds.
const WANTED_MISS: f64 = 10.0;
const WANTED_HIT: f64 = 5.0;
const WANTED_VISIBLE: f64 = 50.0;
const WANTED_SHARE: f64 = 10.0;

/// Readers as they are asked for, over all phases of a run.
#[derive(Debug)]
pub struct Readers {
    options: Options,
    fresh: AtomicUsize,
    asked: Mutex<VecDeque<(Instant, usize)>>,
}

impl Readers {
    /// None asked for yet.
    pub fn new(options: &Options) -> Self {
        Self { options: options.clone(), fresh: AtomicUsize::new(0), asked: Mutex::default() }
    }

    /// One that was not asked for before, as long as there are such.
    pub fn fresh(&self) -> usize {
        let number = self.fresh.fetch_add(1, Ordering::Relaxed);
        self.options.asking().start + number % self.options.asking().len()
    }

    /// Whether every reader has been asked for, so that a fresh one is none.
    pub fn ran_out(&self) -> bool {
        self.fresh.load(Ordering::Relaxed) > self.options.asking().len()
    }

    /// One that was answered a while ago; `None` at the beginning.
    pub fn known(&self) -> Option<usize> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (when, number) = *asked.front()?;
        if when.elapsed() < KEPT_AFTER {
            return None;
        }
        // In turns, the one whose turn was longest ago first.
        asked.rotate_left(1);
        Some(number)
    }

    /// Notes that one was answered after a search.
    pub fn answered(&self, number: usize) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push_back((Instant::now(), number));
        asked.truncate(20_000);
    }
}

/// What asks.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The program.
    pub client: Client,
    /// Who may be asked for.
    pub readers: Arc<Readers>,
    /// Misses.
    pub misses: Tally,
    /// Hits.
    pub hits: Tally,
    /// How many answers each path or fallback served: under load an edge that is too slow is as good as down.
    pub served_by: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Crowd {
    /// A crowd that has asked nothing yet.
    pub fn new(client: &Client, readers: &Arc<Readers>) -> Self {
        Self {
            client: client.clone(),
            readers: readers.clone(),
            misses: Tally::default(),
            hits: Tally::default(),
            served_by: Arc::default(),
        }
    }

    fn note_path(&self, answer: &Answer) {
        let Some(path) = answer.body["served_by"].as_str() else { return };
        let mut served_by = self.served_by.lock().unwrap_or_else(PoisonError::into_inner);
        *served_by.entry(path.to_owned()).or_default() += 1;
    }

    /// What served the answers, in words.
    fn paths(&self) -> String {
        let served_by = self.served_by.lock().unwrap_or_else(PoisonError::into_inner);
        let paths: Vec<String> = served_by.iter().map(|(path, count)| format!("{path} {count}")).collect();
        paths.join(", ")
    }

    /// Asks at this rate for so long, and waits for all answers. Returns when it began.
    pub async fn ask(&self, rate: f64, misses: f64, seconds: f64) -> Instant {
        let begun = Instant::now();
        let (mut moments, mut tasks, mut owed) = (pace::every(rate, seconds), JoinSet::new(), 0.0);
        while let Some(due) = moments.recv().await {
            owed += misses;
            let known = if owed >= 1.0 { None } else { self.readers.known() };
            if known.is_none() {
                // Where nobody is known yet, no debt is made that hits would have to pay off.
                owed = f64::max(owed - 1.0, -1.0);
            }
            let crowd = self.clone();
            tasks.spawn(async move {
                let number = known.unwrap_or_else(|| crowd.readers.fresh());
                let answer = crowd.client.recommend(due, &reader(number), None).await;
                crowd.note_path(&answer);
                if known.is_some() {
                    crowd.hits.note(answer.sample);
                } else {
                    crowd.misses.note(answer.sample);
                    if answer.sample.outcome == Outcome::Answered {
                        crowd.readers.answered(number);
                    }
                }
            });
            while tasks.try_join_next().is_some() {}
        }
        while tasks.join_next().await.is_some() {}
        begun
    }
}

/// Events at a steady rate, from readers that nobody asks for.
pub async fn write(options: &Options, client: &Client, seed: u64, seconds: f64) -> Tally {
    let (tally, mut draws) = (Tally::default(), Draws::new(seed));
    let (mut moments, mut tasks) = (pace::every(options.events, seconds), JoinSet::new());
    while let Some(due) = moments.recv().await {
        let number = options.reading().start + draws.below(options.reading().len());
        let event = read(options, number, &mut draws).to_json();
        let (client, tally) = (client.clone(), tally.clone());
        tasks.spawn(async move { tally.note(client.event(due, event).await.sample) });
        while tasks.try_join_next().is_some() {}
    }
    while tasks.join_next().await.is_some() {}
    tally
}

/// Readers who read and then ask with `after`: from when the event was due to an answer that counts it in.
async fn follow(options: &Options, client: &Client) -> (Tally, usize) {
    let (tally, stale, mut draws) = (Tally::default(), Arc::new(AtomicUsize::new(0)), Draws::new(3));
    let (mut moments, mut tasks) = (pace::every(options.follow, options.seconds), JoinSet::new());
    while let Some(due) = moments.recv().await {
        let number = options.reading().start + draws.below(options.reading().len());
        let event = read(options, number, &mut draws).to_json();
        let (client, tally, stale) = (client.clone(), tally.clone(), stale.clone());
        tasks.spawn(async move {
            let taken = client.event(due, event).await;
            let Some(after) = taken.body["after"].as_str() else {
                tally.note(Sample { outcome: Outcome::Failed, ..taken.sample });
                return;
            };
            let answer = client.recommend(due, &reader(number), Some(after)).await;
            if answer.body["fresh"] != true {
                stale.fetch_add(1, Ordering::Relaxed);
            }
            tally.note(answer.sample);
        });
    }
    while tasks.join_next().await.is_some() {}
    (tally, stale.load(Ordering::Relaxed))
}

/// Readers for whom answer and bare search are measured one after the other: the searches, and what is left of the answers.
async fn pairs(options: &Options, client: &Client, readers: &Readers, bare: Option<Bare>) -> (Tally, Tally) {
    let (searches, shares) = (Tally::default(), Tally::default());
    let Some(bare) = bare else { return (searches, shares) };
    let (mut moments, mut tasks) = (pace::every(options.bare, options.seconds), JoinSet::new());
    while moments.recv().await.is_some() {
        let number = readers.fresh();
        let (client, bare, searches, shares) =
            (client.clone(), bare.clone(), searches.clone(), shares.clone());
        tasks.spawn(async move {
            let Some(search) = bare.search_of(&reader(number)).await else { return };
            // In turns, so that neither always finds what the other has just read.
            let (answer, searched) = if number.is_multiple_of(2) {
                let searched = bare.search(&client, search).await;
                (client.recommend(Instant::now(), &reader(number), None).await, searched)
            } else {
                let answer = client.recommend(Instant::now(), &reader(number), None).await;
                (answer, bare.search(&client, search).await)
            };
            searches.note(searched);
            if let Some(share) = share(answer.sample, searched) {
                shares.note(share);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    (searches, shares)
}

/// Runs the steady load and reports it.
///
/// # Errors
/// When an edge that is asked directly cannot be opened.
pub async fn run(
    options: &Options,
    client: &Client,
    readers: &Arc<Readers>,
    report: &mut Report,
) -> anyhow::Result<()> {
    eprintln!("warming up");
    // Connections, caches, and readers who were asked for before.
    Crowd::new(client, readers).ask(options.rate / 2.0, 1.0, 5.0).await;
    tokio::time::sleep(KEPT_AFTER).await;
    let bare = Bare::open(options).await?;
    eprintln!("{} requests/s and {} events/s for {} s", options.rate, options.events, options.seconds);
    let counted = client.cache_counts().await;
    let crowd = Crowd::new(client, readers);
    let (begun, events, (visible, stale), (searches, shares)) = tokio::join!(
        crowd.ask(options.rate, options.misses, options.seconds),
        write(options, client, 2, options.seconds),
        follow(options, client),
        pairs(options, client, readers, bare)
    );
    let embedded = options.articles.is_empty();
    let answered = |tally: &Tally, offered: f64| tally.figures(Outcome::Answered, begun, offered);
    let (asked, misses) = (options.rate * options.seconds, crowd.misses.len() as f64);
    let miss_rate = options.rate * misses / asked.max(1.0);
    report.lines.extend([
        Line::new(
            "/recommend, searched for",
            answered(&crowd.misses, miss_rate),
            embedded.then_some(WANTED_MISS),
        ),
        Line::new(
            "/recommend, from cached candidates",
            answered(&crowd.hits, options.rate - miss_rate),
            Some(WANTED_HIT),
        ),
        Line::new("/event", answered(&events, options.events), None),
        Line::new(
            "event to an answer after it",
            answered(&visible, options.follow),
            embedded.then_some(WANTED_VISIBLE),
        ),
        Line::new("bare search, beside", answered(&searches, options.bare), None),
        Line::new("answer less the bare search", answered(&shares, options.bare), Some(WANTED_SHARE)),
    ]);
    report.note(format!("The answers were served by: {}.", crowd.paths()));
    report.facts.insert("searched_by_second".into(), crowd.misses.timeline(Outcome::Answered, begun));
    report.facts.insert("followed_by_second".into(), visible.timeline(Outcome::Answered, begun));
    if let (Some((hits, searched)), Some((hits_now, searched_now))) = (counted, client.cache_counts().await) {
        report.note(format!(
            "By the program's own count, {:.0} requests found cached candidates and {:.0} searched.",
            hits_now - hits,
            searched_now - searched
        ));
    }
    if stale > 0 {
        report.note(format!("{stale} answers with `after` were not fresh."));
    }
    if readers.ran_out() {
        report.note("There were not enough readers: some that count as searched for were asked for before.");
    }
    Ok(())
}
