//! The client against scripted servers: what it asks for, and what it makes of answers that a real server would not
//! give on demand.

mod peer;

use futures::StreamExt;
use peer::{Peer, event, next_event, sync, within};
use tokio_tungstenite::tungstenite::Message as Frame;
use tricast_client::{Error, Publish, Retry, State, Transport, Update};

#[tokio::test]
async fn sse_resumes_after_a_cut_and_drops_what_comes_twice() {
    let peer = Peer::new().await;
    let client = peer.client(Transport::Sse).rooms(["a", "b"]).label("test").build().unwrap();
    let mut subscription = client.subscribe();

    let mut talk = peer.accept().await;
    assert_eq!((talk.endpoint(), talk.query("after"), talk.query("session")), ("sse", Some("tip"), None));
    assert_eq!((talk.query("rooms"), talk.query("label")), (Some("a%2Cb"), Some("test")));
    talk.stream_head().await;
    talk.stream_notice("sync", &sync("new", 4)).await;
    talk.stream_event(5).await;
    assert_eq!(next_event(&mut subscription).await, Ok(5));
    // Half an event is cut off: it must not come, and not be counted as seen.
    talk.send("id: k3f4a2bq-6\ndata: {\"id\":\"k3f4a2").await;
    drop(talk);

    let mut talk = peer.accept().await;
    assert_eq!((talk.query("after"), talk.query("session")), (Some("k3f4a2bq-5"), Some("s_1")));
    talk.stream_head().await;
    talk.stream_notice("sync", &sync("resumed", 5)).await;
    talk.stream_event(5).await;
    talk.stream_event(6).await;
    assert_eq!(next_event(&mut subscription).await, Ok(6));
    talk.stream_event(7).await;
    assert_eq!(next_event(&mut subscription).await, Ok(7));
    assert_eq!((subscription.counts().duplicates_dropped, subscription.counts().connections), (1, 2));
}

#[tokio::test]
async fn websocket_resumes_after_a_cut_answers_pings_and_says_good_bye() {
    let peer = Peer::new().await;
    let mut subscription = peer.client(Transport::Ws).build().unwrap().subscribe();
    let mut socket = peer.accept().await.upgrade().await;
    socket.send(sync("new", 0)).await;
    socket.send(event(1)).await;
    assert_eq!(next_event(&mut subscription).await, Ok(1));
    drop(socket);

    let talk = peer.accept().await;
    assert_eq!((talk.query("after"), talk.query("session")), (Some("k3f4a2bq-1"), Some("s_1")));
    let mut socket = talk.upgrade().await;
    socket.send(sync("resumed", 1)).await;
    socket.ping().await;
    assert!(matches!(socket.next().await, Some(Frame::Pong(_))));
    socket.send(event(2)).await;
    assert_eq!(next_event(&mut subscription).await, Ok(2));
    drop(subscription);
    assert!(matches!(socket.next().await, Some(Frame::Close(_))));
}

#[tokio::test]
async fn polls_go_on_from_the_last_answer() {
    let peer = Peer::new().await;
    let mut subscription = peer.client(Transport::Poll).build().unwrap().subscribe();
    let mut talk = peer.accept().await;
    assert_eq!((talk.query("after"), talk.query("wait")), (Some("tip"), Some("0")));
    let body = format!(r#"{{"sync":{},"events":[],"notices":[],"cursor":"k3f4a2bq-3"}}"#, sync("new", 3));
    talk.answer("200 OK", "", &body).await;

    talk.request().await;
    assert_eq!((talk.query("after"), talk.query("session")), (Some("k3f4a2bq-3"), Some("s_1")));
    assert_eq!(talk.query("wait"), Some("25"));
    // The cursor is past the last event: what lies between was for others.
    let body = format!(r#"{{"events":[{},{}],"notices":[],"cursor":"k3f4a2bq-9"}}"#, event(4), event(6));
    talk.answer("200 OK", "", &body).await;
    assert_eq!(next_event(&mut subscription).await, Ok(4));
    assert_eq!(next_event(&mut subscription).await, Ok(6));

    talk.request().await;
    assert_eq!(talk.query("after"), Some("k3f4a2bq-9"));
    drop(talk);
    let talk = peer.accept().await;
    assert_eq!((talk.query("after"), talk.query("session")), (Some("k3f4a2bq-9"), Some("s_1")));
}

#[tokio::test]
async fn auto_finds_the_transport_that_works() {
    let peer = Peer::new().await;
    let mut subscription = peer.client(Transport::Auto).build().unwrap().subscribe();
    let mut talk = peer.accept().await;
    assert_eq!(talk.endpoint(), "ws");
    talk.answer("404 Not Found", "", "<html>no such page</html>").await;

    // Something buffers: the head passes, and comments of its own, but never the stream.
    let mut buffered = peer.accept().await;
    assert_eq!(buffered.endpoint(), "sse");
    buffered.stream_head().await;
    buffered.send(": padding\n").await;

    let mut talk = peer.accept().await;
    assert_eq!(talk.endpoint(), "poll");
    let (sync, event) = (sync("new", 0), event(1));
    let body = format!(r#"{{"sync":{sync},"events":[{event}],"notices":[],"cursor":"k3f4a2bq-1"}}"#);
    talk.answer("200 OK", "", &body).await;
    assert_eq!(next_event(&mut subscription).await, Ok(1));
    assert!(buffered.hung_up().await, "the way that was left is closed");
}

#[tokio::test]
async fn a_switch_while_running_takes_session_and_cursor_along() {
    let peer = Peer::new().await;
    let mut subscription = peer.client(Transport::Sse).build().unwrap().subscribe();
    let mut old = peer.accept().await;
    old.stream_head().await;
    old.stream_notice("sync", &sync("new", 0)).await;
    old.stream_event(1).await;
    assert_eq!(next_event(&mut subscription).await, Ok(1));

    subscription.switch(Transport::Ws);
    let talk = peer.accept().await;
    assert_eq!(
        (talk.endpoint(), talk.query("after"), talk.query("session")),
        ("ws", Some("k3f4a2bq-1"), Some("s_1"))
    );
    let mut socket = talk.upgrade().await;
    socket.send(sync("resumed", 1)).await;
    socket.send(event(2)).await;
    assert_eq!(next_event(&mut subscription).await, Ok(2));
    assert!(old.hung_up().await);
}

#[tokio::test]
async fn a_silent_stream_is_given_up() {
    let peer = Peer::new().await;
    let _subscription = peer.client(Transport::Sse).build().unwrap().subscribe();
    let mut talk = peer.accept().await;
    talk.stream_head().await;
    talk.stream_notice("sync", &sync("new", 0)).await;
    assert!(talk.hung_up().await);
    assert_eq!(peer.accept().await.query("after"), Some("k3f4a2bq-0"));
}

#[tokio::test]
async fn the_server_s_last_word_ends_a_stream_at_once() {
    let peer = Peer::new().await;
    let mut subscription = peer.client(Transport::Sse).build().unwrap().subscribe();
    let mut talk = peer.accept().await;
    talk.stream_head().await;
    talk.stream_notice("sync", &sync("new", 0)).await;
    talk.stream_notice("close", r#"{"reason":"kicked","retry":"no","detail":"by an operator"}"#).await;
    let error = next_event(&mut subscription).await.unwrap_err();
    assert_eq!(error.to_string(), "kicked: by an operator");
    assert!(within(subscription.next()).await.is_none(), "nothing follows an error");
    assert!(talk.hung_up().await, "although the server kept its side open");
}

#[tokio::test]
async fn a_refused_request_tells_its_reason() {
    for transport in [Transport::Auto, Transport::Ws, Transport::Sse, Transport::Poll] {
        let peer = Peer::new().await;
        let mut subscription = peer.client(transport).build().unwrap().subscribe();
        let body = r#"{"type":"t","title":"t","status":400,"reason":"bad_request","detail":"rooms[0]: no"}"#;
        peer.accept()
            .await
            .answer("400 Bad Request", "content-type: application/problem+json\r\n", body)
            .await;
        let error = next_event(&mut subscription).await.unwrap_err();
        assert_eq!(error.to_string(), "bad_request: rooms[0]: no", "{transport:?}");
    }
}

#[tokio::test]
async fn an_event_over_the_client_s_limit_ends_the_subscription() {
    let peer = Peer::new().await;
    for transport in [Transport::Ws, Transport::Sse] {
        let mut subscription = peer.client(transport).event_bytes_max(200).build().unwrap().subscribe();
        let mut talk = peer.accept().await;
        let long = event(1).replace("\"a\"", &format!("\"{}\"", "a".repeat(200)));
        if transport == Transport::Ws {
            let mut socket = talk.upgrade().await;
            socket.send(sync("new", 0)).await;
            socket.send(long).await;
        } else {
            talk.stream_head().await;
            talk.stream_notice("sync", &sync("new", 0)).await;
            talk.send(&format!("data: {long}\n\n")).await;
        }
        let error = next_event(&mut subscription).await.unwrap_err();
        assert!(matches!(error, Error::Answer(_)), "{transport:?}: {error}");
    }
}

#[tokio::test]
async fn a_slow_reader_is_told_everything_once_it_reads() {
    let peer = Peer::new().await;
    let mut subscription = peer.client(Transport::Sse).buffer_updates(1).build().unwrap().subscribe();
    let mut talk = peer.accept().await;
    talk.stream_head().await;
    talk.stream_notice("sync", &sync("new", 0)).await;
    for offset in 1..=500 {
        talk.stream_event(offset).await;
    }
    for offset in 1..=500 {
        assert_eq!(next_event(&mut subscription).await, Ok(offset));
    }
}

#[tokio::test]
async fn a_poll_s_gap_comes_where_it_belongs() {
    let peer = Peer::new().await;
    let mut subscription = peer.client(Transport::Poll).build().unwrap().subscribe();
    let gap = r#"{"notice":"gap","from":2,"to":4,"reason":"slow","cursor":"k3f4a2bq-4"}"#;
    let (sync, one, five) = (sync("new", 0), event(1), event(5));
    let body =
        format!(r#"{{"sync":{sync},"events":[{one},{five}],"notices":[{gap}],"cursor":"k3f4a2bq-5"}}"#);
    peer.accept().await.answer("200 OK", "", &body).await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        match within(subscription.next()).await.unwrap().unwrap() {
            Update::Event(event) => seen.push(event.id.offset.0),
            Update::Gap(gap) => seen.push(gap.from * 100 + gap.to),
            _ => {}
        }
    }
    assert_eq!(seen, [1, 204, 5]);
}

#[tokio::test]
async fn a_failure_does_not_tell_the_session() {
    for transport in [Transport::Ws, Transport::Sse, Transport::Poll] {
        let peer = Peer::new().await;
        let mut subscription = peer.client(transport).build().unwrap().subscribe();
        let mut talk = peer.accept().await;
        match transport {
            Transport::Ws => talk.upgrade().await.send(sync("new", 0)).await,
            Transport::Sse => {
                talk.stream_head().await;
                talk.stream_notice("sync", &sync("new", 0)).await;
                drop(talk);
            }
            _ => {
                let sync = sync("new", 0);
                let body = format!(r#"{{"sync":{sync},"events":[],"notices":[],"cursor":"k3f4a2bq-0"}}"#);
                talk.answer("200 OK", "", &body).await;
                drop(talk);
            }
        }
        // A request that carries the session breaks before it is answered.
        let talk = peer.accept().await;
        assert_eq!(talk.query("session"), Some("s_1"), "{transport:?}");
        drop(talk);
        let mut causes = Vec::new();
        while causes.len() < 2 {
            if let Update::State(State::Waiting { cause, .. }) =
                within(subscription.next()).await.unwrap().unwrap()
            {
                causes.push(cause);
            }
        }
        assert!(causes.iter().all(|cause| !cause.contains("s_1")), "{transport:?}: {causes:?}");
    }
}

#[tokio::test]
async fn publish_gives_the_ids_or_the_reason() {
    let peer = Peer::new().await;
    let client = peer.client(Transport::Auto).namespace("orders").build().unwrap();
    let answer = async {
        let mut talk = peer.accept().await;
        assert!(talk.head.starts_with("POST /v1/feeds/orders/events HTTP/1.1"), "{}", talk.head);
        talk.answer("201 Created", "connection: close\r\n", r#"{"events":[{"id":"k3f4a2bq-7"}]}"#).await;
        let headers = "connection: close\r\nretry-after: 3\r\n";
        let body = r#"{"status":429,"reason":"rate_limited","detail":"10 a second"}"#;
        peer.accept().await.answer("429 Too Many Requests", headers, body).await;
    };
    let event = Publish::json("1").unwrap();
    let ask = async { (client.publish(&event).await, client.publish(&event).await) };
    let ((), (first, second)) = futures::future::join(answer, ask).await;
    assert_eq!(first.unwrap().offset.0, 7);
    let Err(Error::Refused(refusal)) = second else { panic!("not refused: {second:?}") };
    assert_eq!((refusal.retry, refusal.retry_after.map(|delay| delay.as_secs())), (Retry::Yes, Some(3)));
}
