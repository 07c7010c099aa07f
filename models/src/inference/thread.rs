//! What the threads of a model have in common: how they start, on which device, and what becomes of a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tch::Device;
use tokio::sync::oneshot;

use super::{DeviceChoice, InferenceError, InferenceOptions};
use crate::metrics;

pub(super) type Reply<T> = oneshot::Sender<Result<T, InferenceError>>;
pub(super) type Answer<T> = oneshot::Receiver<Result<T, InferenceError>>;

/// What a thread owns.
pub(super) trait Worker: Sized {
    /// What it is sent.
    type Job: Send + 'static;

    /// Answers jobs until nobody can send one any more.
    fn run(self, jobs: &Receiver<Self::Job>);
}

/// Starts a thread, in which `load` lays the networks out, and waits until that is done.
pub(super) fn start<W: Worker>(
    name: &str,
    threads: usize,
    load: impl FnOnce() -> Result<W, InferenceError> + Send + 'static,
) -> Result<Sender<W::Job>, InferenceError> {
    let (jobs, receiver) = channel();
    let (ready, started) = channel();
    let body = move || {
        tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
        let _no_grad = tch::no_grad_guard();
        match guarded(load).and_then(|loaded| loaded) {
            Ok(worker) => {
                let _ = ready.send(Ok(()));
                worker.run(&receiver);
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(|error| InferenceError::Failed(format!("its thread could not be started: {error}")))?;
    started.recv().map_err(|_| InferenceError::Stopped)??;
    Ok(jobs)
}

/// The device of the options, where it is there.
pub(super) fn device(options: &InferenceOptions) -> Result<Device, InferenceError> {
    let cuda = options.device != DeviceChoice::Cpu && tch::Cuda::is_available();
    if options.device == DeviceChoice::Cuda && !cuda {
        return Err(InferenceError::NoCuda);
    }
    Ok(if cuda { Device::Cuda(0) } else { Device::Cpu })
}

/// The library's threads that the options ask for.
pub(super) fn threads(options: &InferenceOptions) -> usize {
    match options.threads {
        0 => (thread::available_parallelism().map_or(1, usize::from) / 2).max(1),
        threads => threads,
    }
}

/// Runs a piece of work; a panic in it (the library's way to fail) becomes an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, InferenceError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("unknown cause");
        let line = text.lines().next().unwrap_or(text).to_owned();
        metrics::failed();
        tracing::error!(reason = line, "inference failed");
        InferenceError::Failed(line)
    })
}

/// Numbers agree to the bit within a class.
pub(super) fn device_class(device: Device) -> String {
    if device != Device::Cpu {
        return "cuda".to_owned();
    }
    #[cfg(target_arch = "x86_64")]
    for (name, here) in [
        ("cpu-avx512bf16", std::is_x86_feature_detected!("avx512bf16")),
        ("cpu-avx512", std::is_x86_feature_detected!("avx512f")),
        ("cpu-avx2", std::is_x86_feature_detected!("avx2")),
    ] {
        if here {
            return name.to_owned();
        }
    }
    format!("cpu-{}", std::env::consts::ARCH)
}
