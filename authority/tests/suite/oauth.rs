//! The authorization server from the outside: the flow of a grant, every row of the contract's
//! table of errors, and attacks, each with the section of the RFC that describes it.

mod browser; // a program that signs in and consents as a browser does
mod world; // a server, a client, a user

mod assertions; // clients that sign
mod attacks; // what must not work
mod authorize; // the request and the consent
mod away; // a database that does not answer
mod clients; // their management, by API and command line
mod ends; // revocation, withdrawal, disabling, and what gateways hear of it
mod injection; // what must not work on the way of a grant
mod keys; // signing keys and their rotation
mod published; // metadata, methods, headers
mod servers; // several on one database
mod tables; // what is forgotten
mod token; // codes, refresh tokens, clients themselves
