//! What libraries read of the environment before `main`: the program starts itself once more with it, where it is not set.
//!
//! libtorch's OpenMP threads spin between two products unless they are told to sleep, which takes whole cores from whoever else could work. And
//! the C library's allocator, which librdkafka and libtorch use as we do, gives memory back to the kernel after each large batch and has it
//! cleared again for the next: up to a fifth of the write path's processor time. Whoever sets a variable has its way.

/// How many bytes may lie free at the end of a thread's memory before they are given back, in what pieces it grows, and from what size on a
/// piece is the kernel's own.
const WANTED: [(&str, &str); 4] = [
    ("OMP_WAIT_POLICY", "PASSIVE"),
    ("MALLOC_TRIM_THRESHOLD_", "33554432"),
    ("MALLOC_TOP_PAD_", "1048576"),
    ("MALLOC_MMAP_THRESHOLD_", "8388608"),
];

/// Starts the program again, with the same arguments and process id, where something is not set. Returns where all is, or where that cannot be
/// done; then it works all the same.
#[cfg(unix)]
pub fn with_environment() {
    use std::os::unix::process::CommandExt;

    let missing = || WANTED.into_iter().filter(|(name, _)| std::env::var_os(name).is_none());
    if missing().next().is_none() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut again = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // Comes back only with an error, and the first start does as well.
    let _error = again.args(arguments).envs(missing()).exec();
}

/// Only on unix can a program replace itself.
#[cfg(not(unix))]
pub fn with_environment() {}
