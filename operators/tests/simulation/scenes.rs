//! Scenes that end in a refusal, each played over the same simulated edges.
