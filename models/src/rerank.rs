//! The reranker: candidates to scores, without projecting a key or a value per candidate.
//!
//! A request has one query, so the projections move to its side. With `C` the candidates, one row each, and one head:
//!
//! - scores: `(Wq u + bq)` against `(Wk c + bk)` is `c . Wk^T q` plus a number that is the same for every candidate, which
//!   the softmax takes out. So `Wk` folds into the query.
//! - output: `sum a_c (Wv c + bv) = Wv (sum a_c c) + bv`, since the shares `a_c` add up to one. So `Wv` is applied once, to the mean.
//!
//! What is left per candidate is the score head, one product `[n, 768] x [768, 128]`. The query side of all requests runs as one batch.

use tch::{Device, Kind, Tensor};

use crate::WIDTH;
use crate::weights::{HEADS, PROFILE, PROFILE_INPUT, Weights, numbers};

const HEAD_WIDTH: usize = WIDTH / HEADS;

/// What is known of a reader beside the reading. Unknown is 0, and so is anything out of range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop, 4 other.
    pub device: u8,
    /// 0 unknown, else the data's value plus one: 1 or 2.
    pub gender: u8,
    /// 0 unknown, else the decade of age, 1 to 9.
    pub age: u8,
    /// Signed in through single sign-on.
    pub sso: bool,
    /// Pays for the newspaper.
    pub subscriber: bool,
}

impl Profile {
    /// The rows of the three embedding tables: device, gender, age.
    pub(crate) fn rows(&self) -> [usize; 3] {
        let within = |value: u8, limit: u8| if value < limit { usize::from(value) } else { 0 };
        [within(self.device, 5), within(self.gender, 3), within(self.age, 10)]
    }
}

/// One reader's candidates.
#[derive(Clone, Debug, PartialEq)]
pub struct RerankRequest {
    /// The reader's profile.
    pub profile: Profile,
    /// The reader's session embedding, [`WIDTH`] numbers.
    pub session: Vec<f32>,
    /// The candidates' vectors, flat `[n, WIDTH]`; `n` may be zero.
    pub candidates: Vec<f32>,
}

impl RerankRequest {
    /// Number of candidates.
    pub fn len(&self) -> usize {
        self.candidates.len() / WIDTH
    }

    /// Whether there is no candidate.
    pub fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// What is wrong with the lengths or numbers, in words.
    pub fn fault(&self) -> Option<String> {
        if self.session.len() != WIDTH {
            return Some(format!(
                "the session embedding has {} numbers, expected {WIDTH}",
                self.session.len()
            ));
        }
        if !self.candidates.len().is_multiple_of(WIDTH) {
            return Some(format!(
                "the candidates have {} numbers, expected a multiple of {WIDTH}",
                self.candidates.len()
            ));
        }
        None
    }
}

/// The reranker on one device.
pub struct Reranker {
    device: Device,
    tables: [(Vec<f32>, usize); 3],
    profile_in: (Tensor, Tensor),
    profile_out: (Tensor, Tensor),
    norm: (Tensor, Tensor),
    query: (Tensor, Tensor),
    /// `Wq`, and its bias.
    attention_query: (Tensor, Tensor),
    /// `[HEADS, HEAD_WIDTH, WIDTH]`: from a head's query to the vector that candidates are compared with, scaled.
    attention_key: Tensor,
    /// `[HEADS, WIDTH, HEAD_WIDTH]`.
    attention_value: Tensor,
    attention_value_bias: Tensor,
    attention_out: (Tensor, Tensor),
    score_in: (Tensor, Tensor),
    score_out: Tensor,
    score_out_bias: f64,
}

impl Reranker {
    /// Lays the weights out on a device.
    ///
    /// # Panics
    /// When the weights are not whole.
    pub fn new(weights: &Weights, device: Device) -> Self {
        let _no_grad = tch::no_grad_guard();
        let tensor = |name: &str| weights.tensor(name, device);
        let linear = |name: &str| (tensor(&format!("{name}.weight")).tr(), tensor(&format!("{name}.bias")));
        let table = |name: &str, columns: usize| (numbers(&weights.tensor(name, Device::Cpu)), columns);
        let (heads, head, width) = (HEADS as i64, HEAD_WIDTH as i64, WIDTH as i64);
        let projections = tensor("attention.in_proj_weight");
        let biases = tensor("attention.in_proj_bias");
        let part = |index: i64| projections.narrow(0, index * width, width);
        Self {
            device,
            tables: [table("device.weight", 16), table("gender.weight", 8), table("age.weight", 16)],
            profile_in: linear("profile.0"),
            profile_out: linear("profile.2"),
            norm: (tensor("query_norm.weight"), tensor("query_norm.bias")),
            query: linear("query"),
            attention_query: (part(0).tr(), biases.narrow(0, 0, width)),
            attention_key: (part(1).view([heads, head, width]) / (HEAD_WIDTH as f64).sqrt()).contiguous(),
            attention_value: part(2).view([heads, head, width]).transpose(1, 2),
            attention_value_bias: biases.narrow(0, 2 * width, width),
            attention_out: linear("attention.out_proj"),
            score_in: linear("score.0"),
            score_out: tensor("score.2.weight").view([-1]),
            score_out_bias: tensor("score.2.bias").double_value(&[0]),
        }
    }

    /// Scores of every request's candidates, in their order: logits of a click.
    ///
    /// # Panics
    /// When a request's lengths are wrong ([`RerankRequest::fault`]).
    pub fn score(&self, requests: &[RerankRequest]) -> Vec<Vec<f32>> {
        if requests.is_empty() {
            return Vec::new();
        }
        let _no_grad = tch::no_grad_guard();
        let queries = self.user_queries(requests);
        let keys = self.head_keys(&queries);
        let candidates: Vec<Option<Tensor>> =
            requests.iter().map(|request| self.candidates(request)).collect();
        let means: Vec<Tensor> = candidates
            .iter()
            .enumerate()
            .map(|(index, candidates)| match candidates {
                Some(candidates) => {
                    let shares = keys.get(index as i64).mm(&candidates.tr()).softmax(-1, Kind::Float);
                    shares.mm(candidates)
                }
                None => Tensor::zeros([HEADS as i64, WIDTH as i64], (Kind::Float, self.device)),
            })
            .collect();
        let queries = queries + self.attended(&Tensor::stack(&means, 0));
        candidates
            .iter()
            .enumerate()
            .map(|(index, candidates)| match candidates {
                Some(candidates) => self.head(&queries.get(index as i64), candidates),
                None => Vec::new(),
            })
            .collect()
    }

    fn candidates(&self, request: &RerankRequest) -> Option<Tensor> {
        if request.is_empty() {
            return None;
        }
        Some(Tensor::from_slice(&request.candidates).view([-1, WIDTH as i64]).to_device(self.device))
    }

    /// `[B, WIDTH]`: profile and session embedding made one query.
    fn user_queries(&self, requests: &[RerankRequest]) -> Tensor {
        let mut inputs = Vec::with_capacity(requests.len() * PROFILE_INPUT);
        let mut sessions = Vec::with_capacity(requests.len() * WIDTH);
        for request in requests {
            for ((table, columns), row) in self.tables.iter().zip(request.profile.rows()) {
                inputs.extend_from_slice(&table[row * columns..][..*columns]);
            }
            inputs.push(f32::from(u8::from(request.profile.sso)));
            inputs.push(f32::from(u8::from(request.profile.subscriber)));
            sessions.extend_from_slice(&request.session);
        }
        let inputs = Tensor::from_slice(&inputs).view([-1, PROFILE_INPUT as i64]).to_device(self.device);
        let sessions = Tensor::from_slice(&sessions).view([-1, WIDTH as i64]).to_device(self.device);
        let profiles = affine(&affine(&inputs, &self.profile_in).relu(), &self.profile_out);
        let joined = Tensor::cat(&[profiles, sessions], 1);
        let normed = joined.layer_norm(
            [(PROFILE + WIDTH) as i64],
            Some(&self.norm.0),
            Some(&self.norm.1),
            1e-5,
            false,
        );
        affine(&normed, &self.query)
    }

    /// `[B, HEADS, WIDTH]`: what each head compares candidates with.
    fn head_keys(&self, queries: &Tensor) -> Tensor {
        let projected = affine(queries, &self.attention_query).view([-1, HEADS as i64, HEAD_WIDTH as i64]);
        projected.transpose(0, 1).bmm(&self.attention_key).transpose(0, 1).contiguous()
    }

    /// `[B, WIDTH]` from the heads' means of the candidates, `[B, HEADS, WIDTH]`.
    fn attended(&self, means: &Tensor) -> Tensor {
        let values = means.transpose(0, 1).bmm(&self.attention_value).transpose(0, 1);
        let values = values.reshape([-1, WIDTH as i64]) + &self.attention_value_bias;
        affine(&values, &self.attention_out)
    }

    fn head(&self, query: &Tensor, candidates: &Tensor) -> Vec<f32> {
        let units = affine(&(candidates * query), &self.score_in).relu_();
        numbers(&(units.mv(&self.score_out) + self.score_out_bias))
    }
}

fn affine(input: &Tensor, (weight, bias): &(Tensor, Tensor)) -> Tensor {
    bias.addmm(input, weight)
}
