//! The dashboard without a browser: how pages and forms answer visitors who follow the rules, and
//! visitors who do not. How it looks and how it is used is tested in a real browser, in
//! `tests/dashboard` of the repository.

mod visitor;

mod access; // who gets in, and what each form must show
mod granting; // what users see
mod forms; // bad input: a clear answer, what was typed is kept, nothing is done
mod headers; // what every answer carries
mod oauth; // clients, users, grants and signing keys
mod life; // a key from the first form to the last
