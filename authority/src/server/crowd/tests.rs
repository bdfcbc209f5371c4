use std::time::Duration;

use super::*;

/// A connection of this number, from the address that ends in `host`, quiet since so many seconds.
fn look(number: u64, host: u8, quiet: Option<u64>) -> Look {
    let start = Instant::now() + Duration::from_hours(1);
    Look {
        number,
        block: [192, 0, 2, host].into(),
        is_proxy: false,
        gateway: None,
        quiet_since: quiet.map(|seconds| start - Duration::from_secs(seconds)),
    }
}

fn of_gateway(number: u64, id: &str, quiet: Option<u64>) -> Look {
    Look { gateway: Some(id.into()), ..look(number, 1, quiet) }
}

fn leaves(looks: &[Look], most: usize) -> (Vec<u64>, bool) {
    let choice = choose(looks.to_vec(), most);
    (choice.numbers, choice.at_once)
}

#[test]
fn the_longest_quiet_one_of_the_address_with_most_leaves() {
    let looks = [
        look(1, 7, Some(900)),
        look(2, 8, Some(5)),
        look(3, 8, Some(20)),
        look(4, 8, None),
        of_gateway(5, "gw", Some(3_000)),
    ];
    assert_eq!(leaves(&looks, 5), (vec![3], false));
    // A hundredth part of all at once.
    assert_eq!(leaves(&looks, 200), (vec![3, 2], false));
    assert_eq!(leaves(&looks, 300), (vec![3, 2, 1], false));
}

#[test]
fn an_address_that_has_too_many_loses_its_oldest_though_something_is_asked_on_them() {
    let crowding = [look(4, 7, None), look(2, 7, None), look(1, 8, None), of_gateway(3, "gw", None)];
    assert_eq!(leaves(&crowding, 4), (vec![2], true));
    let spread = [look(1, 7, None), look(2, 8, None), look(3, 9, None), look(4, 10, None)];
    assert_eq!(leaves(&spread, 4), (vec![], false));
    let of_a_proxy = crowding.map(|look| Look { is_proxy: true, ..look });
    assert_eq!(leaves(&of_a_proxy, 4), (vec![], false));
}

#[test]
fn gateways_stay_unless_one_has_more_than_half() {
    let two = [of_gateway(1, "a", Some(9)), of_gateway(2, "b", Some(9)), look(3, 7, None), look(4, 8, None)];
    assert_eq!(leaves(&two, 4), (vec![], false));
    let one =
        [of_gateway(1, "a", None), of_gateway(2, "a", Some(9)), of_gateway(3, "a", None), look(4, 8, None)];
    assert_eq!(leaves(&one, 4), (vec![2], false));
    assert_eq!(leaves(&one.map(|look| Look { quiet_since: None, ..look }), 4), (vec![1], true));
}

#[test]
fn an_ipv6_address_counts_with_its_neighbours() {
    let block = |text: &str| block_of(text.parse().unwrap()).to_string();
    assert_eq!(block("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    assert_eq!(block("::ffff:192.0.2.7"), "192.0.2.7");
}

#[tokio::test]
async fn one_on_which_something_is_asked_meanwhile_stays() {
    let crowd = Arc::new(Crowd::default());
    let seat = crowd.seat([192, 0, 2, 7].into(), false);
    let progress = Progress::new(super::super::limits::Limits::default());
    seat.guest.is_seen_in(&progress);
    assert_eq!(crowd.make_room(1), 1);
    let exchange = progress.begin(false);
    let guest = Arc::clone(&seat.guest);
    let told = guest.told_to_leave();
    tokio::pin!(told);
    let asked = std::future::poll_fn(|cx| std::task::Poll::Ready(told.as_mut().poll(cx).is_ready()));
    assert!(!asked.await);
    drop(exchange);
    crowd.make_room(1);
    told.await;
    drop(seat);
    assert_eq!(crowd.make_room(1), 0);
}
