//! Clients that were found lately, so that a user can be sent back with an error while the database
//! does not answer (RFC 6749 §4.1.2.1). Nothing is granted by this: it says only where errors may
//! go.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::client::Client;

/// The most clients. If there are more, all are forgotten and found again.
const MOST: usize = 256;

/// Clients by id, as they were when they were last found.
#[derive(Debug, Default)]
pub struct Remembered(Mutex<HashMap<String, Client>>);

impl Remembered {
    /// Notes what was found under an id.
    pub fn note(&self, id: &str, found: Option<&Client>) {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(client) = found else {
            clients.remove(id);
            return;
        };
        if clients.get(id) == Some(client) {
            return;
        }
        if clients.len() >= MOST && !clients.contains_key(id) {
            clients.clear();
        }
        clients.insert(id.to_owned(), client.clone());
    }

    /// The client of an id, as it was.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Client> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::client::{Amendment, NewClient};

    fn client(id: &str) -> Client {
        let rest =
            Amendment { redirect_uris: Some(vec!["https://app.example/cb".into()]), ..Amendment::default() };
        let new = NewClient { name: "App".into(), kind: None, environment: "live".into(), rest };
        let registration = new.check().unwrap();
        let (id, created_by) = (id.into(), String::new());
        Client { id, registration, created_at: 0, created_by, disabled_at: None, last_used_at: None }
    }

    #[test]
    fn so_many_clients_are_remembered_and_no_more() {
        let remembered = Remembered::default();
        for number in 0..=MOST {
            let id = number.to_string();
            remembered.note(&id, Some(&client(&id)));
            assert!(remembered.0.lock().unwrap().len() <= MOST);
        }
        let last = MOST.to_string();
        assert_eq!(remembered.get(&last), Some(client(&last)));
        remembered.note(&last, None);
        assert_eq!(remembered.get(&last), None);
    }
}
