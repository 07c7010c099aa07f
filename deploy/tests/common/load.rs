//! Clients that ask for slates at a steady rate, while the test does other things.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::http;

/// Clients at once.
const CLIENTS: u32 = 4;

/// An answer as a client had it.
#[derive(Clone, Debug)]
pub struct Answered {
    pub asked: Instant,
    pub answered: Instant,
    pub status: u16,
    /// The slate, or the problem.
    pub body: Value,
}

impl Answered {
    /// A text of the answer; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }
}

/// Requests under way until the end.
pub struct Load {
    stop: Arc<AtomicBool>,
    all: Arc<Mutex<Vec<Answered>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Asks for slates in turn, so many a second.
    pub fn start(address: &str, requests: Vec<Value>, rate: u32) -> Self {
        let (stop, all, requests) = (Arc::<AtomicBool>::default(), Arc::default(), Arc::new(requests));
        let client = |number: u32| {
            let (address, stop, requests) = (address.to_owned(), stop.clone(), requests.clone());
            let all: Arc<Mutex<Vec<Answered>>> = Arc::clone(&all);
            std::thread::spawn(move || {
                let started = Instant::now();
                for turn in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let number = turn * CLIENTS + number;
                    let due = started + Duration::from_secs(1) * number / rate;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let asked = Instant::now();
                    let answer =
                        http::post(&address, "/recommend", &requests[number as usize % requests.len()]);
                    let (status, body) = (answer.status, answer.json());
                    all.lock().unwrap().push(Answered { asked, answered: Instant::now(), status, body });
                }
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { stop, all, clients }
    }

    /// The answers to what was asked within a span.
    pub fn within(&self, from: Instant, until: Instant) -> Vec<Answered> {
        let all = self.all.lock().unwrap();
        all.iter().filter(|one| one.asked >= from && one.answered <= until).cloned().collect()
    }

    /// Ends, and returns all answers. None of the requests may have failed.
    pub fn end(self) -> Vec<Answered> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        let all = std::mem::take(&mut *self.all.lock().unwrap());
        let failed: Vec<_> = all.iter().filter(|one| one.status != 200).take(5).collect();
        assert!(failed.is_empty(), "of {} requests some failed: {failed:?}", all.len());
        all
    }
}

/// The median and the slowest hundredth, in milliseconds.
pub fn slowness(all: &[Answered]) -> String {
    let mut took: Vec<f64> = all.iter().map(|one| (one.answered - one.asked).as_secs_f64() * 1e3).collect();
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    format!("{:.1} ms at the median, {:.1} ms at the 99th percentile", at(0.5), at(0.99))
}
