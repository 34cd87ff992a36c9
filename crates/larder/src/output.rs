//! The standard output, whose reader may go before we are done (`larder list | head`): that is no failure of ours.

use std::fmt::Arguments;
use std::io::Write as _;

/// Prints a line.
pub(crate) fn line(text: Arguments<'_>) {
    // Nobody is left to tell.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// `println!` that does not mind when nobody reads any more.
macro_rules! say {
    () => { $crate::output::line(format_args!("")) };
    ($($argument:tt)*) => { $crate::output::line(format_args!($($argument)*)) };
}
