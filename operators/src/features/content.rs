//! What the reader's reads say of a candidate by what the articles are about: their vectors and their sections.

use abovefold_schemas::state::Read;

use super::{columns::Candidate, moment::Moment, sections::sections_read};

/// An article that the reader read, as it is known now.
#[derive(Clone, Copy, Debug, Default)]
pub struct PastArticle<'a> {
    /// Its vector, at unit length.
    pub vector: Option<&'a [f32]>,
    /// Its section; empty where none is known.
    pub category: &'a str,
}

/// The latest reads whose vectors are compared one by one.
pub const COMPARED: usize = 50;
/// What a read tells of the same story fades by e in 4 days.
const STORY_DAYS: f64 = 4.0;

/// What is known of one candidate; NaN where it is not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Content {
    /// Cosine with the mean of the vectors read.
    pub(super) mean: f32,
    /// Cosine with the mean of the vectors of this visit.
    pub(super) visit: f32,
    /// Cosine with the page, or with the last read.
    pub(super) last: f32,
    /// The greatest cosine with one of the last reads.
    pub(super) nearest: f32,
    /// Hours since the read that it is nearest to.
    pub(super) nearest_h: f32,
    /// The sum of the sixth powers of the cosines with the last reads, fading by e in 4 days: how much of what is about the same was read.
    pub(super) same_story: f32,
    /// How much of the last reads is of its section, against a twentieth; the logarithm of the ratio.
    pub(super) section: f32,
    /// The same of the last ten reads.
    pub(super) section_lately: f32,
    /// The same of the reads of this visit.
    pub(super) section_visit: f32,
    /// The same of the last reads, each of which counts 0.7 of the one after it: what the reader is at just now.
    pub(super) section_latest: f32,
    /// Whether it is of the section of the page.
    pub(super) section_of_page: f32,
    /// How far reads of its section were read, against all of the reader's.
    pub(super) section_engaged: f32,
    /// How far the read that it is nearest to was read, against all of the reader's.
    pub(super) nearest_engaged: f32,
    /// The sum over the last reads of cosine by how far they were read, against all of the reader's.
    pub(super) engaged: f32,
}

const UNKNOWN: Content = Content {
    mean: f32::NAN,
    visit: f32::NAN,
    last: f32::NAN,
    nearest: f32::NAN,
    nearest_h: f32::NAN,
    same_story: f32::NAN,
    section: f32::NAN,
    section_lately: f32::NAN,
    section_visit: f32::NAN,
    section_latest: f32::NAN,
    section_of_page: f32::NAN,
    section_engaged: f32::NAN,
    nearest_engaged: f32::NAN,
    engaged: f32::NAN,
};

/// How far a page was read, 0 to 1: the share that was scrolled, or else `ln(1 + s) / ln(601)`; nothing where neither is known.
fn engagement(read: &Read) -> Option<f32> {
    let scrolled = read.scroll_pct.filter(|percent| percent.is_finite()).map(|percent| percent / 100.0);
    let long = read.read_time.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    scrolled.or(long.map(|seconds| (seconds.min(600.0).ln_1p() / 601_f32.ln()).min(1.0)))
}

/// What the reader's reads say of each candidate. `past` are the articles of `moment.reads`, in their order.
pub(super) fn contents(
    moment: &Moment<'_>,
    candidates: &[Candidate<'_>],
    past: &[PastArticle<'_>],
    page: Option<PastArticle<'_>>,
) -> Vec<Content> {
    debug_assert!(past.is_empty() || past.len() == moment.reads.len(), "one article a read");
    let visit_reads = moment.visit().count().min(past.len());
    let mean = mean_of(past);
    let visit = mean_of(&past[past.len() - visit_reads..]);
    let last = page.or(past.last().copied()).and_then(|article| article.vector);
    let compared = past.len().saturating_sub(COMPARED);
    let known: Vec<Option<f32>> = moment.reads.iter().map(engagement).collect();
    let count = known.iter().flatten().count().max(1) as f32;
    let usual = known.iter().flatten().sum::<f32>() / count;
    // What is not known is as usual.
    let engaged: Vec<f32> = known.iter().map(|known| known.map_or(0.0, |known| known - usual)).collect();
    let sections = sections_read(candidates, past, &engaged, visit_reads);
    let content = |candidate: &Candidate<'_>| {
        let mut content = UNKNOWN;
        if let Some((_, section)) = sections.iter().find(|(category, _)| *category == candidate.category) {
            content.section = section.all;
            content.section_lately = section.lately;
            content.section_visit = section.visit;
            content.section_latest = section.latest;
            content.section_engaged = section.engaged;
        }
        if let Some(page) = page.filter(|page| !page.category.is_empty() && !candidate.category.is_empty()) {
            content.section_of_page = f32::from(u8::from(page.category == candidate.category));
        }
        let Some(vector) = candidate.vector else { return content };
        let cosine = |with: &Option<Vec<f32>>| with.as_ref().map_or(f32::NAN, |with| dot(vector, with));
        content.mean = cosine(&mean);
        content.visit = cosine(&visit);
        content.last = last.map_or(f32::NAN, |last| dot(vector, last));
        let (mut nearest, mut same, mut far) = (None::<(f32, usize)>, 0.0, 0.0);
        for (place, article) in past.iter().enumerate().skip(compared) {
            let Some(read) = article.vector else { continue };
            let cosine = dot(vector, read);
            far += cosine * engaged[place];
            let days = (moment.now.0 - moment.reads[place].time) as f64 / 8.64e7;
            same += cosine.max(0.0).powi(6) * (-days / STORY_DAYS).exp() as f32;
            if nearest.is_none_or(|(greatest, _)| cosine >= greatest) {
                nearest = Some((cosine, place));
            }
        }
        if let Some((cosine, place)) = nearest {
            content.nearest = cosine;
            content.nearest_h = ((moment.now.0 - moment.reads[place].time) as f64 / 3.6e6) as f32;
            content.same_story = same;
            content.nearest_engaged = engaged[place];
            content.engaged = far;
        }
        content
    };
    candidates.iter().map(content).collect()
}

/// The mean of the vectors, at unit length; nothing where there is none, or they cancel out.
fn mean_of(past: &[PastArticle<'_>]) -> Option<Vec<f32>> {
    let mut sum: Vec<f32> = Vec::new();
    for vector in past.iter().filter_map(|article| article.vector) {
        sum.resize(vector.len(), 0.0);
        sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
    }
    let length = dot(&sum, &sum).sqrt();
    if length <= 1e-6 {
        return None;
    }
    sum.iter_mut().for_each(|x| *x /= length);
    Some(sum)
}

/// The cosine of a session embedding with a vector of unit length; NaN where the embedding has no direction.
pub fn session_cosine(session: &[f32], unit: &[f32]) -> f32 {
    let length = dot(session, session).sqrt();
    if length > 0.0 { dot(session, unit) / length } else { f32::NAN }
}

/// A vector at unit length; as it is where it is that already (to 1e-5); nothing where it has no direction.
pub fn unit_vector(vector: &[f32]) -> Option<Vec<f32>> {
    let square = dot(vector, vector);
    if !square.is_finite() || square <= 1e-12 {
        return None;
    }
    if (square - 1.0).abs() < 1e-5 {
        return Some(vector.to_vec());
    }
    let length = square.sqrt();
    Some(vector.iter().map(|x| x / length).collect())
}

/// `a . b`, in sixteen lanes that are added up in one order; the cosine, where both are of unit length.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let (a16, b16) = (a.chunks_exact(16), b.chunks_exact(16));
    let rest: f32 = a16.remainder().iter().zip(b16.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a16.zip(b16) {
        for lane in 0..16 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest
}
