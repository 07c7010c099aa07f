//! The plots of a page.
