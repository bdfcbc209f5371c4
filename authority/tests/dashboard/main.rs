//! The dashboard without a browser: what pages and forms answer to those who play by the rules, and to those who do not.
//! What it looks like and how it is used is tried in a real browser, in `tests/dashboard` of the repository.

mod visitor;

mod access; // who gets in, and what each form must show
mod granting; // what users see
mod forms; // bad input: a clear answer, what was typed is kept, nothing is done
mod headers; // what every answer carries
mod oauth; // clients, users, grants and signing keys
mod life; // a key from the first form to the last
