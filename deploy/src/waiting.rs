//! How libtorch's threads wait for one another: asleep.
//!
//! Its OpenMP threads spin between two products unless they are told otherwise, which takes whole cores from whoever else could work. The
//! library reads the wish when it is loaded, which is before `main`: so the program starts itself once more with it. Whoever sets the variable
//! has its way.

/// The variable that OpenMP reads.
const POLICY: &str = "OMP_WAIT_POLICY";

/// Starts the program again, with the same arguments and process id, where nobody has said how to wait. Returns where that is done already, or
/// cannot be done; then the threads spin.
#[cfg(unix)]
pub fn asleep() {
    use std::os::unix::process::CommandExt;

    if std::env::var_os(POLICY).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut again = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // Comes back only with an error, and the first start does as well.
    let _error = again.args(arguments).env(POLICY, "PASSIVE").exec();
}

/// Only on unix can a program replace itself.
#[cfg(not(unix))]
pub fn asleep() {}
