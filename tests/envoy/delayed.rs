//! Earlier filters hold requests back, or answer them: each request is decided under the
//! configuration with which it arrived, and requests that never reach the filter are not counted.

use serde_json::json;

use crate::client::{Request, http1::Connection};
use crate::keys::Key;
use crate::scene::{Scene, configuration, fault};

#[test]
fn a_request_that_was_kept_is_decided_under_its_own_configuration() {
    let scene = Scene::plan(|plan| {
        plan.filter_before(fault())
            .listener("main", configuration(json!({})))
            .listener("closed", configuration(json!({"default": "deny"})))
    });
    let key = Key::live("good").may(&["documents:read"]);
    scene.authority.publish([&key]);
    let (main, closed) = (scene.gateway.listener("main"), scene.gateway.listener("closed"));
    let with_key = Request::get("/unruled").bearer(&key.secret);
    let kept = |milliseconds: &str| with_key.clone().header("x-envoy-fault-delay-request", milliseconds);
    let mut waiting: Vec<(Connection, u16)> = Vec::new();
    for (listener, status) in [(main, 200), (closed, 403), (main, 200), (closed, 403)] {
        let mut connection = Connection::open(listener);
        connection.write(&kept("1500")).expect("a connection");
        waiting.push((connection, status));
        // A client that does not wait.
        let mut gone = Connection::open(listener);
        gone.write(&kept("60000")).expect("a connection");
        gone.close();
    }
    let (mut one, mut other) = (Connection::open(main), Connection::open(closed));
    for _ in 0..100 {
        let answered = with_key.clone().header("x-envoy-fault-abort-request", "418");
        assert_eq!(one.send(&answered).status, 418);
        assert_eq!(other.send(&answered).status, 418);
        assert_eq!(one.send(&with_key).status, 200);
        assert_eq!(other.send(&with_key).status, 403);
        assert_eq!(one.send(&Request::get("/unruled")).status, 401);
    }
    for (mut connection, status) in waiting {
        assert_eq!(connection.read("GET").expect("an answer").status, status);
    }
}
